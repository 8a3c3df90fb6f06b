"""The shift against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from results.stats import StatsError, shift

RNG = np.random.default_rng(11)
X = RNG.normal(100.0, 5.0, 12)
Y = RNG.normal(110.0, 9.0, 9)


def test_the_shift_is_the_median_difference_with_the_exact_interval() -> None:
    found = shift(X[:6], Y[:6])
    differences = np.sort(np.subtract.outer(Y[:6], X[:6]).ravel())
    assert found.shift == pytest.approx(np.median(differences))
    assert found.low is not None
    assert found.low <= differences[5]
    assert shift(X[:3], Y[:3]).low is None


def test_a_shift_within_blocks_is_free_of_what_all_arms_share() -> None:
    drift = np.arange(8) * 100.0
    noise = np.array([0.0, 2.0, -1.0, 1.0, -2.0, 0.5, -0.5, 1.5])
    baseline, candidate = 500.0 + drift, 507.0 + drift + noise
    blocks = list(range(8))
    within = shift(baseline, candidate, blocks=blocks)
    assert within.shift == pytest.approx(7.0, abs=0.5)
    assert within.low is not None
    assert within.low > 5.0
    across = shift(baseline, candidate)
    assert across.low is not None
    assert across.low < 0.0
    shuffled = [3, 1, 7, 0, 2, 6, 5, 4]
    again = shift(baseline, candidate[shuffled], blocks=(blocks, shuffled))
    assert again.shift == within.shift


def test_a_shift_within_blocks_counts_only_blocks_with_both() -> None:
    few = shift([1.0] * 6, [2.0] * 6, blocks=(range(6), range(2, 8)))
    assert few.low is None
    assert few.shift == 1.0
    assert (few.n_baseline, few.n_candidate) == (4, 4)
    with pytest.raises(StatsError, match="no block"):
        shift([1.0], [2.0], blocks=([1], [2]))
