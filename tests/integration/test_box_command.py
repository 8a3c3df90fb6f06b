"""``invoke box`` as a user meets it: files in and out, the command's own exit status, nonsense."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import traces
from tests.support.command_line import invoke


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ns:speedy",), "valid: "),
        (("all",), "not one kind of box"),
        (("ns", "--seconds", "0"), "--seconds 0"),
        (("ns", "--bring", "missing:/tmp/x"), "FILE:PATH"),
        (("ns", "--fetch", "tmp/x"), "no absolute path"),
    ],
)
def test_nonsense_is_answered_before_anything_starts(words: tuple[str, ...], says: str) -> None:
    ended = invoke("box", *words)
    assert ended.status == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.usefixtures("rootfs")
def test_files_go_in_and_out_and_the_status_is_the_commands(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"\x00\xff weighed")
    ended = invoke(
        *("box", "ns", "--wait", "--bring", f"{tmp_path / 'in'}:/tmp/a"),
        *("--run", "cat /tmp/a > /tmp/b; echo to stderr >&2; uname -n; exit 7"),
        *("--fetch", f"/tmp/b:{tmp_path / 'out'}"),
    )
    assert ended.status == 7, ended.stderr
    (run,) = re.findall(r"^tb-([0-9a-f]{6})-0\n$", ended.stdout)
    assert "to stderr\n" in ended.stderr
    assert "exit status 7 after" in ended.stderr
    assert (tmp_path / "out").read_bytes() == b"\x00\xff weighed"
    assert traces.of_run(run) == set()
