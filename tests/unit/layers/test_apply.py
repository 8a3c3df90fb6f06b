"""Layers become overlayfs lowers as the image specification says, and stay in their directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.layer_trees import ME, Stack, d, f, hard, link

from runtimes.faults import RuntimeFault
from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.stack import tree
from runtimes.images.layers.tar.member import Member
from runtimes.images.layers.unpack import apply


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def base(stack: Stack) -> None:
    """The layer below, in most tests."""
    stack.add(
        [
            d("etc", 0o750),
            f("etc/hosts", b"h"),
            f("etc/passwd", b"p"),
            d("usr"),
            d("usr/lib", 0o711),
            f("usr/lib/a", b"a"),
            link("lib", "usr/lib"),
            link("abs", "/usr/lib"),
            link("out", "../../../../usr"),
            link("round", "round"),
        ]
    )


def test_owner_mode_time_and_content_are_the_archives(stack: Stack) -> None:
    umask = os.umask(0o077)
    try:
        stack.add([d("d", 0o1777), replace(f("d/f", b"x", 0o4751), mtime_ns=5_000_000_007)])
    finally:
        os.umask(umask)
    status = (stack.layers[0] / "d/f").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o4751, 5_000_000_007)
    assert (status.st_uid, status.st_size) == (ME, 1)
    directory = (stack.layers[0] / "d").stat()
    assert stat.S_IMODE(directory.st_mode) == 0o1777
    assert directory.st_mtime_ns == d("d").mtime_ns


def test_a_whiteout_hides_what_is_below(stack: Stack) -> None:
    base(stack)
    stack.add([f("etc/.wh.hosts"), f(".wh.usr")])
    shown = stack.shown()
    assert "etc/hosts" not in shown
    assert "usr" not in shown
    assert shown["etc/passwd"] == "file p"
    mark = (stack.layers[0] / "etc/hosts").lstat()
    assert stat.S_ISCHR(mark.st_mode)
    assert mark.st_rdev == 0


def test_a_whiteout_of_nothing_leaves_no_mark(stack: Stack) -> None:
    stack.add([f(".wh.nothing"), f("no/where/.wh.x"), d("e"), f("e/.wh..wh..opq")])
    assert sorted(path.name for path in stack.layers[0].iterdir()) == ["e"]
    assert os.listxattr(stack.layers[0] / "e") == []


@pytest.mark.parametrize("late", [False, True])
def test_whiteouts_below_what_is_a_file_now_say_nothing_new(stack: Stack, *, late: bool) -> None:
    base(stack)
    new = [f("etc", b"file"), f("etc/.wh.hosts"), f("etc/.wh..wh..opq")]  # as `umoci repack`
    stack.add(new if late else new[::-1])
    assert stack.shown()["etc"] == "file file"


@pytest.mark.parametrize("late", [False, True])
def test_a_whiteout_spares_what_its_own_layer_brings(stack: Stack, *, late: bool) -> None:
    base(stack)
    mark, new = f("etc/.wh.hosts"), f("etc/hosts", b"new")
    stack.add([new, mark] if late else [mark, new])
    assert stack.shown()["etc/hosts"] == "file new"


@pytest.mark.parametrize("late", [False, True])
def test_a_directory_that_replaces_another_shows_nothing_of_it(stack: Stack, *, late: bool) -> None:
    base(stack)
    mark, new = f(".wh.etc"), [d("etc"), f("etc/new", b"n")]
    stack.add([*new, mark] if late else [mark, *new])
    shown = stack.shown()
    assert [name for name in shown if name.startswith("etc")] == ["etc", "etc/new"]


@pytest.mark.parametrize("late", [False, True])
def test_an_opaque_directory_shows_only_its_own_layer(stack: Stack, *, late: bool) -> None:
    base(stack)
    new = [d("etc"), f("etc/new", b"n"), f("etc/.wh..wh..opq")]
    stack.add(new if late else [new[0], new[2], new[1]])
    assert [name for name in stack.shown() if name.startswith("etc")] == ["etc", "etc/new"]
    stack.add([f("etc/later", b"l")])
    names = [name for name in stack.shown() if name.startswith("etc/")]
    assert names == ["etc/later", "etc/new"]


def test_a_file_over_a_directory_and_a_directory_again_show_nothing_old(stack: Stack) -> None:
    base(stack)
    stack.add([f("etc", b"file")])
    assert stack.shown()["etc"] == "file file"
    stack.add([d("etc"), f("etc/new")])
    assert [name for name in stack.shown() if name.startswith("etc/")] == ["etc/new"]


def test_directories_that_are_only_implied_keep_owner_and_mode(stack: Stack) -> None:
    base(stack)
    stack.add([f("usr/lib/b", b"b"), f("etc/x/y/z")])
    own = stack.layers[0]
    assert stat.S_IMODE((own / "usr/lib").stat().st_mode) == 0o711
    assert stat.S_IMODE((own / "etc").stat().st_mode) == 0o750
    assert stat.S_IMODE((own / "etc/x/y").stat().st_mode) == 0o755
    assert stack.shown()["usr/lib/a"] == "file a"


@pytest.mark.parametrize("name", ["lib/b", "abs/b", "out/lib/b", "lib/./b"])
def test_links_of_layers_below_lead_where_a_box_would_find_it(stack: Stack, name: str) -> None:
    base(stack)
    stack.add([f(name, b"b")])
    shown = stack.shown()
    assert shown["usr/lib/b"] == "file b"
    assert shown["lib"] == "symlink -> usr/lib"


def test_a_link_to_the_hosts_files_is_followed_inside_the_layer(
    stack: Stack, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    up = "../" * 30
    stack.add([link("x", str(outside)), f("x/a", b"1"), link("y", f"{up}{outside}"), f("y/b")])
    assert list(outside.iterdir()) == []
    assert stack.shown()[f"{str(outside)[1:]}/a"] == "file 1"


def test_writing_to_the_name_of_a_link_replaces_the_link(stack: Stack, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("safe")
    stack.add([link("x", str(victim)), f("x", b"mine")])
    assert victim.read_text() == "safe"
    assert stack.shown()["x"] == "file mine"


def test_a_directory_swapped_for_a_link_is_not_written_through(
    stack: Stack, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    stack.add([d("a"), f("a/1"), link("a", str(outside)), f("a/2")])
    assert list(outside.iterdir()) == []
    assert stack.shown()["a"] == f"symlink -> {outside}"


@pytest.mark.parametrize("target", ["nothing", "etc", "h", "round/x"])
def test_a_hard_link_to_what_is_no_file_is_refused(stack: Stack, target: str) -> None:
    base(stack)
    with pytest.raises(HostileArchive, match=r"hard link to|symbolic links|not a directory"):
        stack.add([hard("h", target)])


def test_hard_links_share_a_file_within_the_layer(stack: Stack) -> None:
    stack.add([f("a", b"x"), hard("b", "a"), d("d"), hard("d/c", "b"), link("s", "a")])
    own = stack.layers[0]
    assert (own / "a").samefile(own / "d/c")
    assert (own / "a").stat().st_nlink == 3


def test_a_hard_link_to_a_lower_layers_file_brings_it_along(stack: Stack) -> None:
    base(stack)
    stack.add([hard("etc/again", "etc/hosts")])
    own = stack.layers[0]
    assert (own / "etc/hosts").samefile(own / "etc/again")
    assert stack.shown()["etc/hosts"] == "hardlink -> etc/again"
    assert not (own / "etc/hosts").samefile(stack.layers[1] / "etc/hosts")


def test_what_a_hard_link_brought_along_can_still_be_hidden(stack: Stack) -> None:
    base(stack)
    stack.add([hard("moved", "etc/hosts"), f("etc/.wh.hosts")])
    shown = stack.shown()
    assert shown["moved"] == "file h"
    assert "etc/hosts" not in shown


def test_a_link_that_is_only_passed_through_brings_nothing_along(stack: Stack) -> None:
    stack.add([d("a"), link("a/up", "/b"), d("b")])
    stack.add([f("a/up/x"), f("a/up/.wh..wh..opq")])
    assert sorted(path.name for path in stack.layers[0].iterdir()) == ["b"]


def test_a_hard_link_through_a_link_stays_inside(stack: Stack, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with pytest.raises(HostileArchive, match="hard link to"):
        stack.add([link("x", str(tmp_path)), hard("h", "x/secret")])
    stack.home = tmp_path / "again"
    stack.home.mkdir()
    stack.add([link("x", str(secret)), hard("h", "x")])  # a link to the link itself
    assert stack.shown()["h"] == f"symlink -> {secret}"
    assert secret.stat().st_nlink == 1


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([f("a"), f("a/b")], "'a' is not a directory"),
        ([link("a", "b"), link("b", "a"), f("a/c")], "too many symbolic links"),
        ([link("a", ".wh.b"), f("a/c")], "a whiteout's name"),
        ([f(".wh.x/y")], "below a whiteout"),
        ([f(".wh.")], "whiteout of an unknown kind"),
        ([f("d/.wh...")], "whiteout of an unknown kind"),
        ([f(".wh..wh.plnk")], "whiteout of an unknown kind"),
        ([d(".wh.x")], "whiteout that is a directory"),
        ([Member("x", "character", device=(0, 0))], "would be a whiteout"),
        ([Member("x", "block", device=(8, 0))], "block device 8:0 is refused"),
        ([Member("x", "file", size=5, pieces=(b"abc",))], "3 bytes instead of 5"),
        ([f("a/b", b"x"), hard("a", "a/b")], "hard link to 'a/b', which is not a file before it"),
    ],
)
def test_what_cannot_be_in_a_layer_is_refused_by_name(
    stack: Stack, members: list[Member], words: str
) -> None:
    with pytest.raises(HostileArchive, match=words):
        stack.add(members)


def test_the_bounds_on_entries_count_what_is_implied(stack: Stack) -> None:
    with pytest.raises(HostileArchive, match="more than 3 entries"):
        stack.add([f("a/b/c/d")], Rules(entries=3))


def test_the_bounds_on_bytes_count_what_hard_links_bring_along(stack: Stack) -> None:
    stack.add([f("a", b"x" * 100)])
    with pytest.raises(HostileArchive, match="more than 99 bytes would be written"):
        stack.add([hard("b", "a")], Rules(total_bytes=99))


def test_what_the_system_refuses_is_told_with_its_name(stack: Stack) -> None:
    with pytest.raises(RuntimeFault, match="cannot make 'x' of a layer: "):
        stack.add([Member("x", "symlink", 0o777, ME, ME, link="y", xattrs={"user.a": b"1"})])


def deep(levels: int, part: str = "x") -> str:
    return "/".join([part] * levels)


@pytest.mark.parametrize("last", [f(f"s/{deep(100)}/f"), hard("h", f"s/{deep(100)}/f")])
def test_a_path_is_too_deep_where_links_lead_it_to(stack: Stack, last: Member) -> None:
    start = [f(f"{deep(199)}/f"), link("s", deep(199))]
    stack.add([*start, f(f"s/{deep(50)}/f")])
    with pytest.raises(HostileArchive, match="too deep"):
        stack.add([last])


def test_links_of_links_lead_no_deeper_than_one_name(stack: Stack) -> None:
    chain = [link(f"s{number + 1}", f"s{number}/{deep(60)}") for number in range(4)]
    with pytest.raises(HostileArchive, match="too deep"):
        stack.add([link("s0", deep(60)), *chain, f("s4/f")])


def test_links_lead_to_no_path_that_is_too_long(stack: Stack) -> None:
    long = deep(12, "y" * 250)
    with pytest.raises(HostileArchive, match="too long"):
        stack.add([f(f"{long}/f"), link("s", long), f(f"s/{long}/f")])


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("mark", [False, True])
def test_a_link_that_was_followed_is_not_followed_once_it_is_gone(
    stack: Stack, *, below: bool, mark: bool
) -> None:
    start = [d("etc"), link("x", "etc")]
    if below:
        stack.add(start)
        start = []
    stack.add([*start, f("x/a"), *([f(".wh.x")] * mark), d("x"), f("x/b", b"b")])
    shown = stack.shown()
    assert (shown["etc/a"], shown["x/b"]) == ("file ", "file b")
    assert "etc/b" not in shown


def looked_up(stack: Stack, members: list[Member]) -> int:
    """How often the layer and those below it are looked into."""
    with mock.patch.object(tree, "openat2", side_effect=tree.openat2) as opened:
        stack.add(members)
    return opened.call_count


def test_a_name_takes_work_that_grows_with_its_depth_and_no_faster(stack: Stack) -> None:
    few, many = (looked_up(stack, [f(f"{deep(levels)}/f")]) for levels in (60, 240))
    assert many < 5 * few


def test_hiding_the_same_again_takes_no_work_that_grows_with_what_is_hidden(stack: Stack) -> None:
    names = [f"d/{number}/f" for number in range(100)]
    stack.add([f(name) for name in names])
    marks = [f("d/.wh..wh..opq")]
    once, often = (looked_up(stack, [*map(f, names), *marks * times]) for times in (1, 101))
    assert often - once < 100 * 20


class Walked(set[str]):
    """Counts what is gone through."""

    steps = 0

    def __iter__(self) -> Iterator[str]:
        for each in super().__iter__():
            self.steps += 1
            yield each


def test_directories_that_come_and_go_are_forgotten_without_going_through_all_others(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Walked] = []
    begin = apply._Layer.__init__

    def watched(self: apply._Layer, *arguments: Any) -> None:  # noqa: ANN401  # as it takes them
        begin(self, *arguments)
        self._brought = Walked()
        made.append(self._brought)

    monkeypatch.setattr(apply._Layer, "__init__", watched)
    stack.add([d("a"), *(f(f"a/{number}") for number in range(100)), d("x")])
    copies = [hard(f"copy/{number}", f"a/{number}") for number in range(100)]
    stack.add([*copies, *[d("x"), f("x", b"")] * 50])
    assert stack.shown()["x"] == "file "
    assert len(made[1]) > 100
    assert made[1].steps < 1000
