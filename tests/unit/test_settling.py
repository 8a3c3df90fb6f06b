"""The child that is asked whether a run is settled."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import msgspec
import pytest

from harness.errors import HarnessFault
from harness.run.settling import Child
from results.ledger.settle import main, plan_looks
from results.records.looks import Look
from runtimes import process
from runtimes.faults import RuntimeFault
from tests.support.budgeted import arm, arms, budgeted, claim


@pytest.mark.slow
def test_the_child_says_what_the_statistics_say(tmp_path: Path) -> None:
    child = Child()
    assert child.plan(12) == plan_looks(12)
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim(), maximum=12) as bench:
        run, _ = bench.go()
        (taken,) = run.looks
        again = child.look(bench.paper.directory.path, taken.blocks, 12, last=False)
    assert dataclasses.replace(again, seconds=taken.seconds) == taken


def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault) as failed:
        Child().look(tmp_path, 8, 12, last=False)
    assert "no run" in failed.value.tail


def test_an_answer_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in (b"", b"{}", b"[1]", b"\xff", b'{"blocks": "many"}'):
        monkeypatch.setattr(
            process, "run", lambda argv, answer=answer, **_: process.Completed(argv, answer, b"")
        )
        with pytest.raises(HarnessFault, match="cannot be read"):
            Child().look(tmp_path, 8, 12, last=False)


def test_the_command_answers_in_json(tmp_path: Path, capsysbinary: pytest.CaptureFixture) -> None:  # type: ignore[type-arg]
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim(), maximum=12) as bench:
        bench.go()
        path = str(bench.paper.directory.path)
    first = plan_looks(12)[0].blocks
    asked = [path, "--blocks-done", str(first), "--maximum", "12"]
    assert main(asked) == 0
    look = msgspec.json.decode(capsysbinary.readouterr().out, type=Look)
    assert look.decided == {"free"}
    assert look.going_on == frozenset()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--blocks-done", "3", "--maximum", "12"], 2, b"no look is planned at 3 blocks"),
        (["--blocks-done", "6", "--maximum", "13"], 1, b"at most 12 blocks"),
    ],
)
def test_a_look_that_was_not_planned_is_refused(
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture,  # type: ignore[type-arg]
    arguments: list[str],
    status: int,
    said: bytes,
) -> None:
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim(), maximum=12) as bench:
        path = str(bench.paper.directory.path)
    assert main([path, *arguments]) == status
    assert said in capsysbinary.readouterr().err


def test_the_measuring_process_loads_no_statistics() -> None:
    heavy = "numpy", "scipy", "pandas"
    script = f"import sys, harness.run.bench; print([m for m in {heavy} if m in sys.modules])"
    done = process.run([sys.executable, "-c", script], timeout_s=60, cwd=Path.cwd())
    assert done.stdout.strip() == b"[]"
