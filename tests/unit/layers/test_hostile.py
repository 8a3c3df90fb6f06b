"""Whatever an archive holds, nothing outside the layer's directory changes or comes in."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hostile_archives import archives, hostile, members
from support.layer_trees import ME, Stack, f, link

from runtimes.faults import RuntimeFault
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.stack import walk
from runtimes.images.layers.tar import read
from runtimes.images.layers.tar.member import Member
from runtimes.images.layers.unpack.apply import apply

SECRET = b"secret of the host"
RULES = Rules(entries=200, total_bytes=1 << 20)


def tree_of(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below ``root``: mode, links, content."""
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (status.st_mode, status.st_nlink, content)
    return found


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(archives, archives)
def test_no_archive_reaches_the_host(
    below: list[tuple[str, bytes, str, dict[str, str]]],
    above: list[tuple[str, bytes, str, dict[str, str]]],
) -> None:
    home = Path(tempfile.mkdtemp(prefix="hostile-"))
    try:
        outside = home / "outside"
        (outside / "inner").mkdir(parents=True)
        (outside / "canary").write_bytes(SECRET)
        before = tree_of(outside)
        stack = Stack(home)
        stack.add([f("c", b"mine"), link("out", str(outside))])
        for drawn in (below, above):
            try:
                stack.add(hostile(drawn, outside), RULES)
            except RuntimeFault:
                break
        assert tree_of(outside) == before
        assert {path.name for path in home.iterdir()} <= {"outside", "0", "1", "2"}
        unpacked(stack, home)
        assert tree_of(outside) == before
    finally:
        shutil.rmtree(home)


def unpacked(stack: Stack, home: Path) -> None:
    """What the finished layers show can be read, and comes out once more, with nothing of ours."""
    shown = stack.shown()
    assert not any(name.rpartition("/")[2].startswith(".wh.") for name in shown)
    assert all(SECRET.decode() not in what for what in shown.values())
    flat = home / "flat"
    flat.mkdir()
    apply(walk.merged(stack.layers, RULES, "user"), flat, (), Rules(), "user")
    again = [member.name for member in walk.merged([flat], marks="user")]
    assert again == list(shown)


@settings(deadline=None, max_examples=80)
@given(members, st.integers(0, 1 << 20), st.binary(min_size=1, max_size=600))
def test_no_damaged_archive_reaches_the_host(
    drawn: list[tuple[str, bytes, str, dict[str, str]]], where: int, noise: bytes
) -> None:
    home = Path(tempfile.mkdtemp(prefix="damaged-"))
    try:
        (home / "canary").write_bytes(SECRET)
        raw = bytearray(hostile(drawn, home))
        place = where % len(raw)
        raw[place : place + len(noise)] = noise
        (home / "0").mkdir()
        with contextlib.suppress(RuntimeFault):
            apply(read.members(io.BytesIO(raw).read, RULES), home / "0", (), RULES, "user")
        assert sorted(path.name for path in home.iterdir()) == ["0", "canary"]
        assert (home / "canary").read_bytes() == SECRET
        assert (home / "canary").stat().st_nlink == 1
    finally:
        shutil.rmtree(home)


def test_a_fifo_that_a_layer_brings_blocks_nobody(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    stack.add([Member("p", "fifo", 0o600, ME, ME)])
    assert stack.shown()["p"] == "fifo"
    stack.add([Member("q", "hardlink", link="p")])
    assert stack.shown()["q"] == "hardlink -> p"


def test_a_name_of_many_parts_is_made_and_removed_again(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    deep = "/".join("d" * 200)
    stack.add([f(f"{deep}/f"), f("d", b"file")])
    assert stack.shown()["d"] == "file file"
    assert os.listdir(stack.layers[0]) == ["d"]  # noqa: PTH208  # names only
