"""The A/A floor, and how many more trials."""

from __future__ import annotations

import numpy as np
import pytest

from results.stats import above_floor, compare, floor, trials_needed


def draw(
    n: int, noise: float = 0.02, ratio: float = 1.0, rng: np.random.Generator | None = None
) -> list[float]:
    rng = rng or np.random.default_rng(n)
    return list(ratio * np.exp(noise * rng.standard_normal(n)))


def test_the_floor_is_the_smallest_margin_that_the_same_arm_stays_in() -> None:
    x, again = draw(20), draw(20, rng=np.random.default_rng(1))
    found = floor(x, again)
    assert found.effect is not None
    low, high = found.comparison.low, found.comparison.high
    assert low is not None
    assert high is not None
    assert min(low, 1 / high) == pytest.approx(1 - found.effect)


def test_without_enough_trials_the_floor_is_unknown_and_nothing_is_claimed() -> None:
    unknown = floor([1.0, 1.1], [1.0, 1.2])
    assert unknown.effect is None
    assert "fewer than 5" in unknown.reason
    clear = compare(draw(10), draw(10, ratio=2.0), margin=0.05)
    judged = above_floor(clear, unknown)
    assert judged.verdict == "inconclusive"
    assert "unknown" in judged.warnings[-1]


def test_an_effect_within_the_floor_is_not_a_difference() -> None:
    noisy = floor([1.0, 1.3, 0.8, 1.2, 0.9, 1.1], [1.1, 0.7, 1.3, 1.0, 0.9, 1.2])
    small = compare([1.0] * 10, [1.04] * 10, margin=0.02)
    assert small.verdict == "different"
    judged = above_floor(small, noisy)
    assert judged.verdict == "inconclusive"
    assert "within the smallest effect" in judged.warnings[-1]
    large = compare([1.0] * 10, [9.0] * 10, margin=0.02)
    assert above_floor(large, noisy) is large


def test_a_margin_finer_than_the_floor_is_not_confirmed() -> None:
    noisy = floor([1.0, 1.3, 0.8, 1.2, 0.9, 1.1], [1.1, 0.7, 1.3, 1.0, 0.9, 1.2])
    assert above_floor(compare([1.0] * 9, [1.0] * 9, margin=0.02), noisy).verdict == (
        "inconclusive"
    )
    assert above_floor(compare([1.0] * 9, [1.0] * 9, margin=0.8), noisy).verdict == "equivalent"
    negligible = compare([1.0] * 9, [1.01] * 9, margin=0.8)
    assert negligible.verdict == "negligible"
    assert above_floor(negligible, noisy).verdict == "equivalent"


def test_a_settled_comparison_needs_no_more() -> None:
    assert trials_needed(compare([1.0] * 9, [2.0] * 9, margin=0.02)).more == 0


def test_with_no_interval_the_reason_is_given() -> None:
    needed = trials_needed(compare([1.0] * 2, [2.0] * 2, margin=0.02))
    assert needed.more is None
    assert "no interval yet" in needed.reason


def test_the_number_of_trials_foretold_settles_most_comparisons() -> None:
    rng, noise, margin, settled, told = np.random.default_rng(23), 0.04, 0.02, 0, []
    for _ in range(40):
        x, y = draw(12, noise, rng=rng), draw(12, noise, rng=rng)
        found = compare(x, y, margin=margin, blocks=range(12))
        needed = trials_needed(found)
        if found.settled or needed.more is None or needed.toward != "equivalent":
            continue
        told.append(needed.more)
        more = needed.more + 12
        x, y = x + draw(more - 12, noise, rng=rng), y + draw(more - 12, noise, rng=rng)
        settled += compare(x, y, margin=margin, blocks=range(more)).settled
    assert len(told) >= 10
    assert settled >= 0.5 * len(told)
    assert 20 < np.median(told) < 1000


def test_noisier_data_need_more_trials() -> None:
    base = np.linspace(-1, 1, 12)
    few = trials_needed(compare(np.exp(0.1 * base), np.exp(-0.1 * base), margin=0.05))
    many = trials_needed(compare(np.exp(0.3 * base), np.exp(-0.3 * base), margin=0.05))
    assert few.more is not None
    assert many.more is not None
    assert many.more > few.more
