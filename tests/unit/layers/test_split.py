"""A root filesystem in many layers shows what the one directory does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.layer_trees import manifest

from runtimes.images.layers import split
from runtimes.images.layers.store.garbage import collect
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.rootfs.rootfs import Rootfs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files in directories, links of both kinds, an empty directory with a mode of its own."""
    root = tmp_path / "root"
    for name in ("a/b/c", "d", "e"):
        (root / name).mkdir(parents=True)
    for number in range(40):
        (root / ("a", "a/b", "a/b/c", "d")[number % 4] / str(number)).write_text(str(number))
        if number > 3:
            os.link(root / "d/3", root / f"d/link-{number}")
    (root / "a/away").symlink_to("/d")
    (root / "e").chmod(0o711)
    return root


def rootfs(root: Path, name: str = "ab") -> Rootfs:
    return Rootfs("sha256:" + name * 32, root, root, {}, {}, 0, "amd64")


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers", marks="user", durable=False)


@pytest.mark.parametrize("depth", [1, 2, 7, 100])
def test_all_layers_together_are_the_directory(root: Path, store: LayerStore, depth: int) -> None:
    image = split.brought(rootfs(root), depth, store, print)
    assert len(image.layers) == depth
    assert manifest(store.lower_directories(image)) == manifest([root])


def test_files_are_spread_and_each_is_there_once(root: Path, store: LayerStore) -> None:
    image = split.brought(rootfs(root), 4, store, print)
    files = [
        {path.relative_to(layer) for path in layer.rglob("*") if path.is_file()}
        for layer in store.lower_directories(image)
    ]
    assert all(len(each) > 3 for each in files)
    assert sum(map(len, files)) == len(set().union(*files)) == 76


def test_it_is_split_once_and_let_go_with_its_root_filesystem(
    root: Path, store: LayerStore
) -> None:
    first = split.brought(rootfs(root), 3, store, print)
    told: list[str] = []
    assert split.brought(rootfs(root), 3, store, told.append) == first
    assert told == []
    split.brought(rootfs(root, "cd"), 2, store, print)
    assert [image.name for image in store.images()] == ["rootfs-cdcdcdcdcdcd/depth-2"]
    assert len(collect(store, grace_s=-1).removed) == 3


def test_a_layer_that_was_lost_is_made_again(root: Path, store: LayerStore) -> None:
    image = split.brought(rootfs(root), 3, store, print)
    (store.lower_directories(image)[0].parent / "layer.json").unlink()
    assert split.brought(rootfs(root), 3, store, print) == image
    assert manifest(store.lower_directories(image)) == manifest([root])
