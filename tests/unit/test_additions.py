"""What a box by hand is given besides its layers: as the command line has it, and as steps."""

from __future__ import annotations

import socket
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes import arguments
from runtimes.faults import RuntimeFault
from runtimes.launcher.operations import AttachInRoot, CloneTree, MountInRoot
from runtimes.launcher.operations.base import NODEV, NOSUID, RDONLY
from runtimes.ns.mounts import extra_mounts
from runtimes.ns.mounts.extra_mounts import Bound, Scratch, parse_bind, parse_tmpfs
from runtimes.standalone.box import publish
from runtimes.standalone.box.options import parse
from runtimes.standalone.box.publish import Port

HERE = Path(__file__).resolve()


def test_a_bind_is_a_source_a_place_and_whether_it_is_read_only(tmp_path: Path) -> None:
    odd = tmp_path / "with:colon"
    odd.mkdir()
    assert parse_bind(f"{tmp_path}:/data") == Bound(tmp_path, "/data")
    assert parse_bind(f"{odd}:/data/./x/:ro") == Bound(odd, "/data/x", read_only=True)
    assert parse_bind(f"{HERE}://f:rw") == Bound(HERE, "/f")
    assert Bound(HERE, "/f").is_file
    assert not Bound(tmp_path, "/f").is_file


@pytest.mark.parametrize(
    "text",
    ["", "/", ":", "/tmp", "/tmp:ro", "/tmp:x", "/tmp:/", "/tmp:/..", "/tmp:/a/../b", "/no:/x",
     "/tmp:/x:rx", "/tmp\0:/x", "/tmp:/x\0", ":/x", "/tmp:" + "/x" * 3000],
)  # fmt: skip
def test_another_form_of_bind_is_refused(text: str) -> None:
    if text == ":/x":  # the current directory has no name
        assert parse_bind(text).source == Path.cwd()
        return
    with pytest.raises(ArgumentTypeError):
        parse_bind(text)


def test_scratch_space_has_a_size_and_a_mode() -> None:
    assert parse_tmpfs("/t") == Scratch("/t")
    assert parse_tmpfs("/t:size=64M,mode=0700") == Scratch("/t", 64 << 20, "0700")


@pytest.mark.parametrize(
    "text", ["t", "/", "/t:x", "/t:size=", "/t:size=-1", "/t:mode=9", "/t:size=1,uid=0", "/t:,"]
)
def test_another_form_of_scratch_space_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        parse_tmpfs(text)


@given(st.text())
def test_no_text_is_more_than_refused(text: str) -> None:
    for read in (parse_bind, parse_tmpfs):
        try:
            made = read(text)
        except ArgumentTypeError:
            continue
        assert made.target.startswith("/")
        assert ".." not in made.target.split("/")


def test_a_published_port_is_the_hosts_and_the_boxs() -> None:
    assert publish.parse("8080:80") == Port(8080, 80)
    assert publish.parse("[::1]:1:2") == Port(1, 2, "::1")
    for text in ("80", "0:1", "1:65536", "x:1:2", ":1:2", "1:2:3", "127.0.0.1:1"):
        with pytest.raises(ArgumentTypeError):
            publish.parse(text)


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = Port(taken.getsockname()[1], 80)
        with pytest.raises(RuntimeFault, match="cannot listen"), publish.listening([port]):
            pass


def test_sizes_are_powers_of_1024() -> None:
    assert [arguments.size_bytes(text) for text in ("7", "1k", "2M", "3g", "1T")] == [
        7, 1 << 10, 2 << 20, 3 << 30, 1 << 40,
    ]  # fmt: skip


def test_parents_are_in_place_before_what_is_below_them() -> None:
    outer, inner = Bound(HERE.parent, "/a", read_only=True), Scratch("/a/b", 4096)
    assert extra_mounts.placed([inner, outer]) == [
        AttachInRoot(11, "/a", file=False),
        MountInRoot("tmpfs", "/a/b", "tmpfs", NOSUID | NODEV, "mode=1777,size=4096"),
    ]
    assert extra_mounts.held([inner, outer]) == [
        CloneTree(11, str(HERE.parent), recursive=True, attributes=NODEV | RDONLY, direct=True)
    ]


def test_two_things_at_one_place_and_too_many_are_refused() -> None:
    with pytest.raises(RuntimeFault, match="more than once"):
        extra_mounts.check([Bound(HERE, "/a"), Scratch("/a")])
    with pytest.raises(RuntimeFault, match="at most 53"):
        extra_mounts.check([Bound(HERE, f"/{number}") for number in range(54)])


@pytest.mark.parametrize(
    "words",
    [("--pids", "0"), ("--cpu-quota", "0"), ("--cpu-quota", "nan"), ("--memory", "1x"),
     ("--hostname", "x" * 65), ("--network", "bridge"), ("--bind", "x")],
)  # fmt: skip
def test_nonsense_is_refused_before_anything_is_touched(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["run", *words, "--layers", "/"], None)
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err
