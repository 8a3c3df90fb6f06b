"""What layers show according to us is what the kernel's overlayfs, and umoci, show of them."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.layer_trees import d, f, link, manifest

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import DEFAULT
from runtimes.images.layers.stack import union
from runtimes.images.layers.tar.member import Member
from runtimes.images.layers.unpack.apply import _Layer, apply
from runtimes.standalone.image import pack

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("root_needed")]

LOWEST = [
    *(d("a"), f("a/a", b"1"), d("a/b", 0o711), f("a/b/a", b"2"), f("a/b/c", b"3")),
    *(link("c", "a"), d("b", 0o700), f("b/a", b"4"), d("b/c"), link("b/c/a", "/b"), f("d", b"5")),
]
names = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=3)
KINDS = ("file", "file", "directory", "directory", "symlink", "hardlink", "gone", "gone", "opaque")


def member(kind: str, name: list[str], target: list[str], number: int) -> Member:
    """One entry of a layer."""
    path, other = "/".join(name), "/".join(target)
    if kind == "gone":
        return f("/".join([*name[:-1], f".wh.{name[-1]}"]))
    if kind == "opaque":
        return f(f"{path}/.wh..wh..opq")
    if kind == "directory":
        return d(path, 0o700 + number % 8)
    if kind == "file":
        return f(path, str(number).encode())
    if kind == "symlink":
        return link(path, "/" * (number % 2) + other)
    return Member(path, "hardlink", link=other)


entries = st.builds(member, st.sampled_from(KINDS), names, names, st.integers(0, 20))
stacks = st.lists(st.lists(entries, min_size=2, max_size=8), min_size=1, max_size=3)


def accepted(members: Sequence[Member], scratch: Path, layers: Sequence[Path]) -> list[Member]:
    """Those of ``members`` that are not refused, one after the other; each name once."""
    scratch.mkdir()
    taken: dict[str, Member] = {}
    with union.piled(layers, "trusted") as below, union.Tree(scratch, below.marks) as own:
        work = _Layer(own, below, DEFAULT, Budget(DEFAULT))
        for one in members:
            if one.name not in taken:
                with contextlib.suppress(RuntimeFault, OSError):
                    work.put(one)
                    taken[one.name] = one
    return list(taken.values())


@contextlib.contextmanager
def stacked(drawn: list[list[Member]]) -> Iterator[tuple[Path, list[list[Member]], list[Path]]]:
    """A scratch directory, the layers' members, and their directories, topmost first."""
    home = Path(tempfile.mkdtemp(prefix="stack-"))
    try:
        (home / "0").mkdir()
        apply(LOWEST, home / "0")
        layers, kept = [home / "0"], [LOWEST]
        for number, members in enumerate(drawn, 1):
            kept.append(accepted(members, home / f"scratch-{number}", layers))
            root = home / str(number)
            root.mkdir()
            apply(kept[-1], root, layers)
            layers.insert(0, root)
        yield home, kept, layers
    finally:
        shutil.rmtree(home)


@settings(deadline=None, max_examples=80)
@given(stacks)
def test_any_stack_of_layers_looks_to_us_as_to_the_kernel(drawn: list[list[Member]]) -> None:
    with stacked(drawn) as (home, _, layers):
        view = home / "view"
        view.mkdir()
        options = f"ro,lowerdir={':'.join(map(str, layers))}"
        process.run(["mount", "-t", "overlay", "tb-test", "-o", options, str(view)], timeout_s=30)
        try:
            assert manifest([view]) == manifest(layers)
        finally:
            process.run(["umount", str(view)], timeout_s=30)


def plain(members: Sequence[Member]) -> list[Member]:
    """As tools write layers: nothing is both hidden and there, or named by a link in its place.

    The specification spares what a layer brings itself from its own whiteouts; umoci does not
    always (a whiteout after directories that are only implied removes them).
    """
    kept: list[Member] = []
    there: set[str] = set()
    gone: set[str] = set()
    for one in members:
        name = one.name.replace("/.wh..wh..opq", "/").replace(".wh.", "")
        above = {name[:place] for place, letter in enumerate(name) if letter == "/"} | {name}
        hides = ".wh." in one.name and not name.endswith("/")
        clashes = name in there if hides else bool(above & gone)
        if name.endswith("/"):  # a mark above earlier marks
            clashes |= any(mark.name.startswith(name) for mark in kept if ".wh." in mark.name)
        if one.kind == "hardlink":
            clashes |= f"{one.link}/".startswith(f"{name}/")
        if not clashes:
            kept.append(one)
            gone |= {name} if hides else set()
            there |= above
    return kept


@settings(deadline=None, max_examples=60, derandomize=True, phases=[Phase.generate])
@given(stacks.map(lambda layers: [plain(layer) for layer in layers]))
def test_any_stack_of_layers_looks_to_us_as_to_umoci(drawn: list[list[Member]]) -> None:
    if process.find("umoci") is None:
        pytest.skip("needs umoci, as an oracle")
    with stacked(drawn) as (home, kept, layers):
        pack.pack(kept, home / "image", pack.Description("x"), "none")
        process.run(
            ["umoci", "raw", "unpack", "--image", f"{home}/image:x", str(home / "theirs")],
            timeout_s=60,
        )
        assert timeless(home / "theirs") == timeless(*layers)


def timeless(*layers: Path) -> dict[str, tuple[object, ...]]:
    """A tree without the times, owner and mode of the root and of what is only implied."""
    return {name: (*told[:4], *told[5:]) for name, told in manifest(layers).items() if name}
