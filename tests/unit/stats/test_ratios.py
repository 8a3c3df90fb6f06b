"""Fieller, bootstrap, shift and TOST against other implementations and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

from results.stats import StatsError, ratio_of_means, ratio_of_medians, shift, tost

RNG = np.random.default_rng(11)
X = RNG.normal(100.0, 5.0, 12)
Y = RNG.normal(110.0, 9.0, 9)


def test_fiellers_ends_are_where_welchs_test_turns() -> None:
    found = ratio_of_means(X, Y)
    assert found.bounded
    assert found.low is not None
    assert found.high is not None
    assert found.ratio == pytest.approx(Y.mean() / X.mean())
    for end in (found.low, found.high):
        # The degrees of freedom are taken at the estimate, so p is close to 5 %, not equal.
        p = stats.ttest_ind(Y, end * X, equal_var=False).pvalue
        assert p == pytest.approx(0.05, abs=0.002)


def test_paired_fieller_ends_are_where_the_paired_test_turns() -> None:
    y = X * 1.1 + RNG.normal(0, 1, X.size)
    found = ratio_of_means(X, y, blocks=range(X.size))
    for end in (found.low, found.high):
        assert end is not None
        assert stats.ttest_rel(y, end * X).pvalue == pytest.approx(0.05, abs=1e-9)


def test_an_uncertain_baseline_gives_an_unbounded_interval_and_says_so() -> None:
    found = ratio_of_means([0.01, 9.0, 0.02], [5.0, 5.1, 4.9])
    assert not found.bounded
    assert found.high is None
    assert found.low is not None
    assert any("unbounded" in warning for warning in found.warnings)
    hopeless = ratio_of_means([0.01, 9.0, 0.02], [0.01, 7.0, 0.03])
    assert (hopeless.low, hopeless.high, hopeless.bounded) == (None, None, False)


def test_a_single_trial_has_no_fieller_interval() -> None:
    found = ratio_of_means([5.0], [6.0])
    assert (found.ratio, found.low) == (1.2, None)
    assert found.warnings


def test_constant_arms_give_a_point() -> None:
    found = ratio_of_means([5.0] * 3, [6.0] * 3)
    assert (found.low, found.high) == pytest.approx((1.2, 1.2))


def test_the_bootstrap_is_reproducible_and_seeded() -> None:
    one = ratio_of_medians(X, Y)
    assert one == ratio_of_medians(X, Y)
    assert (ratio_of_medians(X, Y, seed=1).low, one.ratio) != (one.low, 0.0)
    assert one.low is not None
    assert one.high is not None
    assert one.low < np.median(Y) / np.median(X) < one.high


def test_the_flat_bootstrap_agrees_with_scipys() -> None:
    found = ratio_of_medians(X, Y, resamples=9_999)
    theirs = stats.bootstrap(
        (X, Y),
        lambda x, y, axis: np.median(y, axis=axis) / np.median(x, axis=axis),
        n_resamples=9_999,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert found.low == pytest.approx(theirs.low, rel=0.01)
    assert found.high == pytest.approx(theirs.high, rel=0.01)


def test_iterations_inside_trials_do_not_narrow_the_bootstrap_like_trials_would() -> None:
    trials = [value + RNG.normal(0, 0.01, 50) for value in X]
    nested = ratio_of_medians(trials, trials)
    pooled = ratio_of_medians(np.concatenate(trials), np.concatenate(trials))
    assert nested.low is not None
    assert nested.high is not None
    assert pooled.low is not None
    assert pooled.high is not None
    assert nested.high - nested.low > 3 * (pooled.high - pooled.low)


def test_the_bootstrap_draws_whole_blocks_when_given() -> None:
    waves = np.linspace(1, 3, 12)
    x, y = X * waves, X * waves * 1.2
    paired = ratio_of_medians(x, y, blocks=range(12))
    free = ratio_of_medians(x, y)
    assert None not in (paired.low, paired.high, free.low, free.high)
    assert paired.low == pytest.approx(1.2)
    assert free.low is not None
    assert free.low < 1.0
    partial = ratio_of_medians(x, y[:9], blocks=(range(12), range(9)))
    assert "left out" in partial.warnings[0]


def test_few_trials_give_no_bootstrap_interval() -> None:
    assert ratio_of_medians(X[:4], Y[:4]).low is None


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


def test_tost_is_statsmodels_on_logs() -> None:
    limit = -math.log(0.9)
    p, first, second = ttost_ind(np.log(Y), np.log(X), -limit, limit, usevar="unequal")
    found = tost(X, Y, margin=0.1)
    assert found.p == pytest.approx(p)
    assert found.p_above_low == pytest.approx(first[1])
    assert found.p_below_high == pytest.approx(second[1])


def test_tost_refuses_what_has_no_spread() -> None:
    with pytest.raises(StatsError, match="two trials"):
        tost([1.0], [1.0, 2.0], margin=0.1)
    with pytest.raises(StatsError, match="varies"):
        tost([1.0, 1.0], [1.0, 1.0], margin=0.1)
