"""Servers beside a command: what an error shows of them, on paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.run.loop import run_all
from harness.trial.services import fill
from results.records.records import Trial
from runtimes.fake.runtime import DEMO_ARGV, FakeScript, Reply
from tests.support.bench_on_paper import DEMO, bench_on_paper
from workloads.base import Command, CommandWork, Service, Side

PREPARE = Service(("prepare",), Side.BOX, timeout_s=5.0)
SERVER = Service(("server",), Side.BOX, timeout_s=5.0, ready=b"ready")
SERVED = dataclasses.replace(
    DEMO,
    work=lambda size: CommandWork(Command(DEMO_ARGV, 50.0), size.iterations, (PREPARE, SERVER)),
)
UP = Reply(stdout=b"ready\n", stderr=b"listening on 8080\n", wall_ns=None)
PREPARED = Reply(stdout=b"made it\n")
SPEED = Reply(stdout=b"5\n")
REFUSED = Reply(stderr=b"connection refused\n", status=1)


def trial(root: Path, **replies: Reply) -> Trial:
    """The trial whose steps go as ``prepare``, ``server`` and ``demo`` say."""
    said: Mapping[tuple[str, ...], tuple[Reply, ...]] = {
        (name,): (reply,) for name, reply in replies.items()
    }
    script = FakeScript(conditions=frozenset(), replies=said)
    with bench_on_paper(root, {"a": script}, SERVED) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        assert paper.living() == []
        (found,) = paper.directory.trials()
    return found


def test_a_command_with_its_servers_up_is_measured(tmp_path: Path) -> None:
    assert trial(tmp_path, prepare=PREPARED, server=UP, demo=SPEED).status == "ok"


def test_a_failed_command_shows_what_the_server_said(tmp_path: Path) -> None:
    found = trial(tmp_path, prepare=PREPARED, server=UP, demo=REFUSED)
    assert found.status == "failed"
    assert "demo: exit status 1" in found.error
    assert found.tail.endswith("connection refused\n--- server:\nready\n\nlistening on 8080")


def test_a_server_that_died_is_said_to_have_ended(tmp_path: Path) -> None:
    died = Reply(stdout=b"ready\n", stderr=b"PANIC: no space left\n", status=-6, wall_ns=100)
    found = trial(tmp_path, prepare=PREPARED, server=died, demo=REFUSED)
    assert "--- server (it ended with status -6):" in found.tail
    assert found.tail.endswith("PANIC: no space left")


def test_nonsense_from_the_command_shows_the_server_too(tmp_path: Path) -> None:
    found = trial(tmp_path, prepare=PREPARED, server=UP, demo=Reply(stdout=b"banana\n"))
    assert "wrote no number" in found.error
    assert "banana" in found.tail
    assert "listening on 8080" in found.tail


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(stderr=b"bind: in use", status=1), "ended with status 1 before it wrote b'ready'"),
        (Reply(stderr=b"still reading", wall_ns=None), "gave up waiting for b'ready' from server"),
    ],
)
def test_a_server_that_does_not_come_up_is_the_error(
    tmp_path: Path, reply: Reply, why: str
) -> None:
    found = trial(tmp_path, prepare=PREPARED, server=reply, demo=SPEED)
    assert found.status == "failed"
    assert why in found.error
    assert found.tail.splitlines()[1:] == [reply.stderr.decode()], "after the box's own"


def test_a_step_before_the_servers_that_fails_is_the_error(tmp_path: Path) -> None:
    full = Reply(stderr=b"No space left on device", status=1)
    found = trial(tmp_path, prepare=full, server=UP, demo=SPEED)
    assert "prepare: exit status 1" in found.error
    assert found.tail.endswith("\nNo space left on device")


def test_tokens_are_filled_and_other_braces_stay() -> None:
    places = {"cpus": "2", "box": "198.18.0.1"}
    words = ["--threads={cpus}", "{box}:{port}", "{}"]
    assert fill(words, places) == ["--threads=2", "198.18.0.1:{port}", "{}"]


def test_a_client_that_waits_for_a_dead_server_is_not_waited_for(tmp_path: Path) -> None:
    died = Reply(stdout=b"ready\n", status=-11, wall_ns=10)
    forever = Reply(wall_ns=None)
    found = trial(tmp_path, prepare=PREPARED, server=died, demo=forever)
    assert "server ended with status -11 while demo used it" in found.error
