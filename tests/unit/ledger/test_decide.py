"""The limits of each rule, exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from results.ledger.claims.rules import Direction, Rule, RuleKind
from results.ledger.judge.decide import decide, more_blocks
from results.ledger.judge.floors import AaFloor
from results.stats import Comparison, compare

QUIET = AaFloor(0.0001, 20, "")
FOUND = compare([1.0, 1.1, 0.9, 1.0, 1.05, 0.95], [1.0, 1.1, 0.9, 1.0, 1.05, 0.95], margin=0.02)


def interval(low: float, high: float) -> Comparison:
    """A comparison with just this decision interval."""
    ratio = (low * high) ** 0.5
    return replace(FOUND, ratio=ratio, equivalence_low=low, equivalence_high=high)


def decided(kind: RuleKind, value: float, low: float, high: float, direction: Direction) -> str:
    """The verdict on an interval."""
    rule = Rule(kind, value)
    return decide(interval(low, high), rule, direction, QUIET, needs_floor=True).verdict


EPSILON = 1e-6


@pytest.mark.parametrize(
    ("kind", "value", "direction", "inside", "outside"),
    [
        ("equivalence", 0.1, "higher", (0.9, 1 / 0.9), (0.8, 0.9 - EPSILON)),
        ("equivalence", 0.1, "lower", (0.9, 1 / 0.9), (1 / 0.9 + EPSILON, 1.2)),
        ("loss-at-most", 0.1, "higher", (0.9, 3.0), (0.5, 0.9 - EPSILON)),
        ("loss-at-most", 0.1, "lower", (0.5, 1.1), (1.1 + EPSILON, 2.0)),
        ("superiority", 0.1, "higher", (0.5, 0.9), (0.9 + EPSILON, 1.5)),
        ("superiority", 0.1, "lower", (1.1, 2.0), (0.5, 1.1 - EPSILON)),
        ("ratio-at-least", 10, "lower", (10.0, 20.0), (5.0, 10.0 - EPSILON)),
        ("ratio-at-most", 3, "lower", (1.5, 3.0), (3.0 + EPSILON, 4.0)),
    ],
)
def test_an_interval_is_inside_up_to_the_limit_and_outside_just_beyond_it(
    kind: RuleKind,
    value: float,
    direction: Direction,
    inside: tuple[float, float],
    outside: tuple[float, float],
) -> None:
    assert decided(kind, value, *inside, direction) == "supported"
    assert decided(kind, value, *outside, direction) == "refuted"
    low, high = min(*inside, *outside), max(*inside, *outside)
    assert decided(kind, value, low, high, direction) == "inconclusive"


def test_a_declined_interval_decides_nothing() -> None:
    few = compare([1.0, 1.1], [5.0, 5.1], margin=0.02)
    found = decide(few, Rule("equivalence", 0.02), "higher", QUIET, needs_floor=True)
    assert (found.verdict, found.more) == ("inconclusive", 3)


@pytest.mark.parametrize(
    ("floor", "expected"), [(0.02, "supported"), (0.0201, "inconclusive"), (0.5, "inconclusive")]
)
def test_sameness_may_be_as_fine_as_the_floor_and_no_finer(floor: float, expected: str) -> None:
    rule, known = Rule("equivalence", 0.02), AaFloor(floor, 20, "")
    assert decide(interval(0.99, 1.01), rule, "higher", known, needs_floor=True).verdict == expected


@pytest.mark.parametrize(("floor", "expected"), [(0.09, "supported"), (0.11, "inconclusive")])
def test_a_difference_must_exceed_the_floor(floor: float, expected: str) -> None:
    rule, known = Rule("superiority", 0.02), AaFloor(floor, 20, "")
    assert decide(interval(0.89, 0.91), rule, "higher", known, needs_floor=True).verdict == expected


def test_more_blocks_grow_as_the_estimate_nears_the_limit() -> None:
    rule = Rule("loss-at-most", 0.05)
    near, far = (
        more_blocks(interval(centre * 0.97, centre * 1.03), rule, "higher")
        for centre in (0.955, 0.97)
    )
    assert near is not None
    assert far is not None
    assert near > far >= 1
    assert more_blocks(interval(0.95 * 0.97, 0.95 / 0.97), rule, "higher") is None


@pytest.mark.parametrize(
    ("kind", "value", "truth"),
    [
        ("equivalence", 0.05, 0.95),
        ("equivalence", 0.05, 1 / 0.95),
        ("loss-at-most", 0.05, 0.95),
        ("superiority", 0.05, 0.95),
        ("ratio-at-least", 10.0, 10.0),
    ],
)
@pytest.mark.parametrize("blocks", [6, 12])
def test_on_the_limit_either_verdict_is_wrong_at_most_once_in_twenty(
    kind: RuleKind, value: float, truth: float, blocks: int
) -> None:
    """What "95 % certainty" of each end means, measured; slack of three standard errors."""
    chance = np.random.default_rng([blocks, int(1000 * truth)])
    rule, runs = Rule(kind, value), 400
    found = []
    for _ in range(runs):
        drift = np.exp(0.2 * chance.standard_normal(blocks))
        base = drift * np.exp(0.04 * chance.standard_normal(blocks))
        other = truth * drift * np.exp(0.04 * chance.standard_normal(blocks))
        compared = compare(base, other, margin=0.05, blocks=range(blocks))
        found.append(decide(compared, rule, "higher", QUIET, needs_floor=True).verdict)
    allowed = 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
    assert found.count("supported") / runs <= allowed
    assert found.count("refuted") / runs <= allowed
    assert found.count("inconclusive") / runs >= 0.85
