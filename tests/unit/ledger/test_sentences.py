"""What a claim that holds says of several comparisons at once."""

from __future__ import annotations

import pytest
from support.frames import AGAIN, NATIVE, claim, frame, ledger, part, rows, times

from results.ledger.claims.schema import Part
from results.ledger.judge.judge import judge
from results.records.records import Direction

UNITS = {"higher": "1/s", "lower": "ns"}


def said(*parts: Part, direction: Direction = "lower") -> str:
    """The sentence on ns at 1.5 and docker at 3 times native."""
    groups = [
        rows(arm, values, unit=UNITS[direction], direction=direction)
        for arm, values in (
            ("native", NATIVE),
            ("native:aa", AGAIN),
            ("ns", times(1.5)),
            ("docker", times(3.0)),
        )
    ]
    found = judge(ledger(claim(*parts)), frame(*groups)).verdicts[0]
    assert found.verdict == "supported", found.sentence
    return found.sentence.replace("\N{NO-BREAK SPACE}", " ")


def test_arms_of_one_baseline_are_told_together() -> None:
    sentence = said(part("superiority", 0.02, candidates=("ns", "docker")))
    assert "in work, ns and docker took at least" in sentence
    assert "more than the bare host, with 95 % certainty in each of 2 comparisons" in sentence


def test_arms_of_several_baselines_are_each_told_with_their_own() -> None:
    sentence = said(
        part("superiority", 0.02),
        part("superiority", 0.02, baseline="ns", candidates=("docker",)),
    )
    assert "ns against the bare host and docker against ns each took at least" in sentence
    assert "more, with 95 % certainty in each of 2 comparisons" in sentence


@pytest.mark.parametrize(
    ("direction", "words"), [("lower", "took at most"), ("higher", "did at most")]
)
def test_a_loss_is_said_in_the_metrics_own_direction(direction: str, words: str) -> None:
    allowed = part("loss-at-most", 3.0 if direction == "lower" else 0.05)
    sentence = said(
        allowed,
        part(allowed.rule.kind, allowed.rule.value, candidates=("docker",)),
        direction=direction,
    )
    assert words in sentence


def test_what_takes_many_times_as_long_is_told_in_times() -> None:
    groups = [
        rows(arm, values, unit="ns", direction="lower")
        for arm, values in (
            ("native", NATIVE),
            ("native:aa", AGAIN),
            ("ns", times(12.0)),
            ("docker", times(5.0)),
        )
    ]
    one = claim(part("loss-at-most", 0.05, candidates=("ns", "docker")))
    sentence = judge(ledger(one), frame(*groups)).verdicts[0].sentence
    said = sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert "ns took 12 times what the bare host did (" in said
    assert "docker in work (5 times as much)" in said
