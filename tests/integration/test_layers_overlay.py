"""What layers show according to us is what the kernel's overlayfs shows of them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hostile_archives import archives, hostile
from support.layer_trees import d, f, link, manifest

from runtimes import process
from runtimes.base import RuntimeFault
from runtimes.images.layers import tarstream, walk
from runtimes.images.layers.apply import apply
from runtimes.images.layers.member import Member
from runtimes.images.layers.rules import DEFAULT

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("root_needed")]

LOWEST = [d("a"), f("a/b", b"1"), d("a/c"), f("a/c/out", b"2"), link("c", "a"), d("b"), f("b/a")]


def stacked(home: Path, raws: list[bytes]) -> list[Path]:
    """Layers of those archives that are accepted, topmost first; the last is empty."""
    (home / "empty").mkdir()
    layers = [home / "empty"]
    todo: list[list[Member] | bytes] = [LOWEST, *raws]
    for number, raw in enumerate(todo):
        root = home / str(number)
        root.mkdir()
        try:
            if isinstance(raw, bytes):
                (home / "tar").write_bytes(raw)
                with (home / "tar").open("rb") as file:
                    apply(tarstream.members(file.read, DEFAULT), root, layers)
            else:
                apply(raw, root, layers)
        except RuntimeFault:
            continue
        layers.insert(0, root)
    return layers


@settings(deadline=None, max_examples=60)
@given(st.lists(archives, min_size=1, max_size=3))
def test_any_stack_of_layers_looks_to_us_as_to_the_kernel(
    drawn: list[list[tuple[str, bytes, str, dict[str, str]]]],
) -> None:
    home = Path(tempfile.mkdtemp(prefix="stack-"))
    try:
        layers = stacked(home, [hostile(archive, home / "nowhere") for archive in drawn])
        view = home / "view"
        view.mkdir()
        options = f"ro,lowerdir={':'.join(map(str, layers))}"
        process.run(["mount", "-t", "overlay", "tb-test", "-o", options, str(view)], timeout_s=30)
        try:
            assert manifest([view]) == manifest(layers)
        finally:
            process.run(["umount", str(view)], timeout_s=30)
        written_again(home, layers)
    finally:
        shutil.rmtree(home)


def written_again(home: Path, layers: list[Path]) -> None:
    """Each layer as members, with its whiteouts, and unpacked anew: the same stack."""
    copies: list[Path] = []
    for number, layer in enumerate(reversed(layers)):
        copy = home / f"copy-{number}"
        copy.mkdir()
        apply(walk.layer(layer), copy, copies)
        copies.insert(0, copy)
    assert manifest(copies) == manifest(layers)
