"""The child that computes the smallest effect to expect."""

from __future__ import annotations

import random
import sys

import pytest

from harness.directories import PROJECT
from harness.doctor.steadiness import expected
from harness.doctor.steadiness.recording import Load, Recording
from harness.errors import HarnessFault
from harness.plan.suites import SUITES
from harness.trial.slices import order
from results.expect import Question, answer
from runtimes import process

NOTHING = Load(10.0, 0.0, 0.0, {})


def recording(count: int) -> Recording:
    chance = random.Random(1)
    rows = order.rounds(2, count * 10, chance)
    slices = [
        tuple((arm, round(5e7 * (1 + chance.gauss(0.0, 0.008)))) for arm in row) for row in rows
    ]
    parts = tuple(tuple(slices[at : at + 10]) for at in range(0, len(slices), 10))
    return Recording({}, parts, NOTHING)


def test_quick_has_twenty_rounds_of_the_shortest_slices() -> None:
    assert expected.rounds_of(SUITES["quick"]) == 20
    assert expected.rounds_of(SUITES["standard"]) == 120


@pytest.mark.slow
def test_the_child_says_what_the_statistics_say() -> None:
    made = recording(10)
    effect, reason = expected.smallest(made)
    known = answer(Question(made.blocks, rounds=20, design_blocks=5))
    assert (effect, reason) == (known.effect, "")
    assert effect is not None
    assert 0.0005 < effect < 0.01


@pytest.mark.slow
def test_without_enough_blocks_it_says_why() -> None:
    effect, reason = expected.smallest(recording(2))
    assert effect is None
    assert "2 blocks" in reason


@pytest.mark.parametrize("said", [b"", b"[]", b"\xff", b'{"effect": "much", "reason": ""}'])
def test_an_answer_that_cannot_be_read_is_an_error(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "run", lambda argv, **_: process.Completed(argv, said, b""))
    with pytest.raises(HarnessFault, match="cannot be read"):
        expected.smallest(recording(3))


@pytest.mark.slow
@pytest.mark.parametrize("asked", [b"", b"{}", b'{"blocks": [[[[2, 1]]]], "rounds": 1}'])
def test_a_question_that_is_none_is_refused(asked: bytes) -> None:
    argv = [sys.executable, "-m", "results.expect"]
    with pytest.raises(process.CommandFailed, match="exit status 2"):
        process.run(argv, timeout_s=60, stdin=asked, cwd=PROJECT)
