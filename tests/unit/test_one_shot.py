"""One box by hand, on paper: files in, a command, files out, and nothing left."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest

from harness.errors import HarnessFault, UsageFault
from harness.plan.schedule import Arm
from harness.run import one_shot as module
from harness.run.one_shot import OneShot, Transfer, carry_out, summary, to_bring, to_fetch
from harness.terminal.terminal import pass_on
from runtimes.agent.channel import AgentFault
from runtimes.fake.runtime import FakeScript, Reply
from tests.support.bench_on_paper import bench_on_paper

ONE_SHOT = OneShot(Arm("a"), "count words", 5.0)
WORDS = (*module.SHELL, "count words")
SCRIPT = FakeScript(conditions=frozenset(), replies={WORDS: (Reply(stdout=b"7\n", status=3),)})


def test_a_file_goes_in_the_command_runs_and_a_file_comes_out(tmp_path: Path) -> None:
    source, target = tmp_path / "words", tmp_path / "back"
    source.write_bytes(b"seven words \xff")
    source.chmod(0o4751)
    one_shot = dataclasses.replace(
        ONE_SHOT,
        bring=(Transfer(source, "/tmp/words"),),
        fetch=(Transfer(target, "/tmp/words"),),
    )
    with bench_on_paper(tmp_path, {"a": SCRIPT}) as paper:
        outcome = carry_out(paper.context, one_shot, volume=False)
        assert paper.living() == []
    assert (outcome.result.status, outcome.result.stdout) == (3, b"7\n")
    assert target.read_bytes() == b"seven words \xff"
    assert target.stat().st_mode & 0o7777 == 0o751
    assert outcome.limits.memory_bytes == paper.context.limits.memory_bytes
    assert "removed" in outcome.marks
    assert summary(one_shot, outcome).startswith("a: first byte after ")
    assert "exit status 3" in summary(one_shot, outcome)


def test_a_file_that_is_not_in_the_box_is_a_fault_and_the_box_is_gone(tmp_path: Path) -> None:
    one_shot = dataclasses.replace(ONE_SHOT, fetch=(Transfer(tmp_path / "x", "/nowhere"),))
    with bench_on_paper(tmp_path, {"a": SCRIPT}) as paper:
        with pytest.raises(AgentFault, match="cannot get /nowhere"):
            carry_out(paper.context, one_shot, volume=False)
        assert paper.living() == []
    assert not (tmp_path / "x").exists()


def test_a_place_here_that_cannot_be_written_is_named_and_no_draft_is_left(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    source = tmp_path / "words"
    source.touch()
    one_shot = dataclasses.replace(
        ONE_SHOT,
        bring=(Transfer(source, "/tmp/words"),),
        fetch=(Transfer(tmp_path / "taken", "/tmp/words"),),
    )
    with (
        bench_on_paper(tmp_path / "p", {"a": SCRIPT}) as paper,
        pytest.raises(HarnessFault, match="cannot write"),
    ):
        carry_out(paper.context, one_shot, volume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "taken", "words"]


def test_a_link_where_a_file_is_to_be_written_is_replaced_not_followed(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("mine")
    link.symlink_to(victim)
    module._write(link, module.BoxFile(b"theirs", 0o644))
    assert victim.read_text() == "mine"
    assert link.read_bytes() == b"theirs"


def test_where_a_file_goes_and_comes_from_has_a_default(tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.touch()
    assert to_bring(str(source)) == Transfer(source, "/tmp/a.txt")
    assert to_bring(f"{source}:/etc/b") == Transfer(source, "/etc/b")
    assert to_fetch("/var/log/x") == Transfer(Path("x"), "/var/log/x")
    assert to_fetch("/var/log/x:here/y") == Transfer(Path("here/y"), "/var/log/x")


@pytest.mark.parametrize("text", ["missing:/tmp/x", ".:/tmp/x", "/dev/null:/tmp/x", ""])
def test_what_cannot_be_brought_is_said_before_anything_starts(text: str) -> None:
    with pytest.raises(UsageFault) as caught:
        to_bring(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "relative", "/directory/", ":x"])
def test_what_cannot_be_fetched_is_said_before_anything_starts(text: str) -> None:
    with pytest.raises(UsageFault) as caught:
        to_fetch(text)
    assert caught.value.hint


class Terminal(io.TextIOWrapper):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_what_a_box_wrote_is_passed_on_as_it_is_but_steers_no_terminal() -> None:
    written = b"\x1b[2J\xff done\n"
    for stream, shown in (
        (io.TextIOWrapper(io.BytesIO(), "utf-8"), written),
        (Terminal(io.BytesIO(), "utf-8"), "\\x1b[2J\ufffd done\n".encode()),
    ):
        pass_on(written, stream)
        assert isinstance(stream.buffer, io.BytesIO)
        assert stream.buffer.getvalue() == shown
