"""Layers that are remembered show what they show, and unpacking many of them stays linear."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from support.layer_trees import d, f

from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import DEFAULT
from runtimes.images.layers.stack import tree, union
from runtimes.images.layers.stack.union import Found
from runtimes.images.layers.store import records as catalogue
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.tar.member import Member
from runtimes.images.layers.unpack.lookup import NoDirectoryFault, Sight
from runtimes.standalone.image import pack, pull
from runtimes.standalone.image.documents import Execution

PATHS = ("a", "a/b", "a/b/c", "a/d", "e")
KINDS = ("nothing", "file", "directory", "whiteout", "opaque")
LAYER = st.fixed_dictionaries({path: st.sampled_from(KINDS) for path in PATHS})


def lay(root: Path, kinds: dict[str, str]) -> None:
    """One layer's directory."""
    root.mkdir()
    for path, kind in kinds.items():
        place = root / path
        if kind == "nothing" or not place.parent.is_dir():
            continue
        if kind == "file":
            place.touch()
        elif kind == "whiteout":
            os.mknod(place, stat.S_IFCHR, 0)
        else:
            place.mkdir()
            if kind == "opaque":
                os.setxattr(place, "user.overlay.opaque", b"y")


def seen(found: Found | None) -> tuple[object, ...] | None:
    if found is None:
        return None
    return found.path, found.status.st_ino, [each.path for each in found.trees]


def above(own: tree.Tree, pile: union.Pile, path: str) -> Found | None:
    """As a layer in the making finds it, above finished ones."""
    sight = Sight(own, pile, DEFAULT, Budget(DEFAULT))
    parent, _, base = path.rpartition("/")
    try:
        return sight.at(sight.follow(parent, set(), imply=False)[-1], base)
    except NoDirectoryFault:
        return None


def topmost(found: Found | None) -> tuple[object, ...] | None:
    return None if found is None else (found.path, found.status.st_ino, found.tree.path)


@settings(max_examples=60, deadline=None)
@given(layers=st.lists(LAYER, min_size=1, max_size=5), asked=st.sets(st.sampled_from(PATHS)))
def test_a_pile_shows_what_its_layers_show_whenever_it_was_asked_before(
    layers: list[dict[str, str]], asked: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as scratch, union.piled((), "user") as pile:
        below: list[Path] = []
        for number, kinds in enumerate(layers):
            layer = Path(scratch, str(number))
            lay(layer, kinds)
            with union.opened([layer, *below], "user") as trees:
                for path in PATHS:
                    assert topmost(above(trees[0], pile, path)) == topmost(union.find(trees, path))
                pile.put(layer)
                for path in asked if number + 1 < len(layers) else PATHS:
                    assert seen(pile.find(path)) == seen(union.find(trees, path))
            below.insert(0, layer)


def members(number: int) -> list[Member]:
    """Directories that all layers share, and a file of its own."""
    shared = [d("usr"), d("usr/lib")] if number == 0 else []
    return [*shared, f(f"usr/lib/n{number}", b"x"), f(f"opt/n{number}/f", b"x")]


def work(home: Path, depth: int) -> int:
    """System calls on layers, and records read, to bring an image of that depth."""
    image = pack.Description("deep", Execution(cmd=("x",)))
    pack.pack([members(number) for number in range(depth)], home / "image", image, "none")
    store = LayerStore(home / "store", marks="user", durable=False)
    with (
        mock.patch.object(tree, "openat2", side_effect=tree.openat2) as opened,
        mock.patch.object(tree.os, "open", side_effect=os.open) as trees,
        mock.patch.object(catalogue, "read", side_effect=catalogue.read) as records,
    ):
        pull.pull(home / "image", store, lambda _: None)
    return int(opened.call_count + trees.call_count + records.call_count)


def test_each_further_layer_of_a_deep_image_takes_the_same_work(tmp_path: Path) -> None:
    homes: Iterator[Path] = (tmp_path / str(number) for number in range(3))
    shallow, middle, deep = map(work, homes, (10, 30, 50))
    assert deep - middle == middle - shallow
