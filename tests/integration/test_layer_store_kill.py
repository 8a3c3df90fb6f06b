"""A process killed while it unpacks leaves nothing that counts, nor anything to mend."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from support.layer_trees import manifest

from runtimes import process
from runtimes.images.layers.store.garbage import collect
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.tar.member import Member
from runtimes.standalone.image import pack, pull
from tests.support.members import directory, file

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("root_needed")]

PROJECT = Path(__file__).parents[2]
FILES = 3000


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Two layers of many files."""
    layers: list[list[Member]] = [
        [directory(top), *(file(f"{top}/{number}", b"x" * 500) for number in range(FILES))]
        for top in ("a", "b")
    ]
    pack.pack(layers, tmp_path / "image", pack.Description("x"), "none")
    return tmp_path / "image"


def pulling(image: Path) -> list[str]:
    return [sys.executable, "-m", "runtimes.standalone.image", "pull", str(image), "x"]


def half_made(store: LayerStore) -> bool:
    return any(any(path.glob("entry/root/?/*")) for path in store.layers_home.glob(".build-*"))


def test_a_pull_that_is_killed_is_as_if_it_had_not_begun(image: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    store = LayerStore(cache / "layers")
    child = process.spawn(pulling(image), env={"TAREBENCH_CACHE": str(cache)}, cwd=PROJECT)
    try:
        deadline = time.monotonic() + 60
        while not half_made(store) and child.poll() is None:  # nobody tells when it is half done
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        child.kill()
        child.wait()
    if child.returncode == 0:
        pytest.skip("it was done before it could be killed")
    assert len(store.layers()) < 2
    assert store.images() == []
    whole = pull.pull(image, store, print)
    assert len(manifest(store.lower_directories(whole))) == 2 * FILES + 3
    assert not any(store.layers_home.glob(".*"))
    store.untag("x")
    assert len(collect(store, grace_s=-1).removed) == 2


def test_two_processes_that_pull_the_same_image_share_its_layers(
    image: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    environment = {"TAREBENCH_CACHE": str(cache), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    both = [process.spawn(pulling(image), env=environment, cwd=PROJECT) for _ in range(2)]
    assert [child.wait(120) for child in both] == [0, 0]
    store = LayerStore(cache / "layers")
    assert len(store.layers()) == 2
    assert len(manifest(store.lower_directories(store.image("x")))) == 2 * FILES + 3
