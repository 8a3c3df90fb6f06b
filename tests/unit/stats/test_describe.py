"""Quantiles, variance components and independence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from results.stats import (
    StatsError,
    independence,
    minimum_count,
    optimal_repetitions,
    quantile,
    variance_components,
)

RNG = np.random.default_rng(17)


@pytest.mark.parametrize(("q", "count"), [(0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299), (0.05, 59)])
def test_a_quantile_needs_its_minimum_count(q: float, count: int) -> None:
    assert minimum_count(q) == count
    refused = quantile(range(1, count), q)
    assert (refused.value, refused.low, refused.minimum) == (None, None, count)
    assert f"needs {count} values" in refused.reason
    assert quantile(range(1, count + 1), q).value is not None


@pytest.mark.parametrize(("n", "q"), [(6, 0.5), (59, 0.95), (100, 0.9), (299, 0.99), (1000, 0.5)])
def test_the_ranks_of_a_quantile_cover_by_the_binomial(n: int, q: float) -> None:
    found = quantile(range(1, n + 1), q)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    binomial = stats.binom(n, q)
    covered = binomial.cdf(found.high - 1) - binomial.cdf(found.low - 1)
    assert covered >= 0.95
    shorter = max(
        binomial.cdf(high - 1) - binomial.cdf(high - (found.high - found.low))
        for high in range(int(found.value), n + 1)
        if high - (found.high - found.low) + 1 <= found.value
    )
    assert shorter < 0.95


def test_a_quantile_refuses_nan_with_its_place() -> None:
    with pytest.raises(StatsError, match=r"values\[1\]"):
        quantile([1.0, float("nan")], 0.5)


def test_variance_components_are_those_of_the_nested_anova() -> None:
    data = RNG.normal(0, 1, (6, 1)) * 3 + RNG.normal(0, 1, (6, 4)) + 50
    found = variance_components(data)
    between = 4 * data.mean(axis=1).var(ddof=1)
    within = data.var(axis=1, ddof=1).mean()
    assert found.t2 == pytest.approx((within, (between - within) / 4))
    assert sum(found.shares) == pytest.approx(1.0)


def test_three_levels_use_the_corrected_formula() -> None:
    data = RNG.normal(50, 1, (5, 4, 3)) + RNG.normal(0, 2, (5, 4, 1))
    found = variance_components(data)
    s1 = data.var(axis=2, ddof=1).mean()
    s2 = data.mean(axis=2).var(axis=1, ddof=1).mean()
    s3 = data.mean(axis=(1, 2)).var(ddof=1)
    assert found.s2 == pytest.approx((s1, s2, s3))
    assert found.t2 == pytest.approx((s1, s2 - s1 / 3, s3 - s2 / 4))


def test_ragged_trials_with_equal_counts_give_the_balanced_answer() -> None:
    data = RNG.normal(50, 1, (5, 4))
    ragged = variance_components([list(row) for row in data])
    assert ragged.t2 == pytest.approx(variance_components(data[:, :]).t2)
    assert ragged.repetitions == pytest.approx((4.0, 5.0))
    assert variance_components([[1.0, 2.0], [4.0], [5.0, 6.0, 7.0]]).repetitions[0] < 2.0


def test_components_are_unbiased() -> None:
    estimates = [
        variance_components(RNG.normal(0, 2, (8, 1)) + RNG.normal(0, 1, (8, 5)) + 100).t2
        for _ in range(400)
    ]
    mean = np.mean(estimates, axis=0)
    error = np.std(estimates, axis=0) / 20
    assert abs(mean[0] - 1.0) < 4 * error[0]
    assert abs(mean[1] - 4.0) < 4 * error[1]


def test_repetitions_balance_noise_against_cost() -> None:
    found = variance_components(np.array([[1.0, 9.0], [2.0, 8.0], [5.0, 7.0]]))
    assert optimal_repetitions(found, (1.0, 100.0)) == (1000,)
    data = RNG.normal(0, 1, (50, 1)) + RNG.normal(0, 2, (50, 20)) + 100
    components = variance_components(data)
    t1, t2 = components.t2
    wanted = int(np.ceil(np.sqrt(25.0 * t1 / t2)))
    assert optimal_repetitions(components, (1.0, 25.0)) == (wanted,)
    with pytest.raises(StatsError, match="costs"):
        optimal_repetitions(components, (1.0,))
    with pytest.raises(StatsError, match=r"costs\[1\]"):
        optimal_repetitions(components, (1.0, 0.0))


def test_components_need_repetition() -> None:
    with pytest.raises(StatsError, match="two trials"):
        variance_components([[1.0, 2.0]])


def test_independent_values_pass_and_drifting_ones_do_not() -> None:
    noise = RNG.normal(0, 1, 60)
    assert not independence(noise).suspicious
    drifting = independence(noise + np.arange(60.0))
    assert drifting.suspicious
    assert drifting.lag1 is not None
    assert drifting.lag1 > 0.8


def test_turning_points_are_counted_as_defined() -> None:
    found = independence([1, 3, 2, 4, 3, 5, 6, 7, 8, 2, 1.5])
    assert found.turning_points == 5
    assert independence([1, 1, 2, 3, 4, 4, 5, 6, 7, 8]).turning_points is None
    assert independence([1, 2, 3]).lag1 is None


def test_alternating_values_are_caught() -> None:
    assert independence([1.0 + 0.01 * i * (-1) ** i for i in range(30)]).suspicious


def test_independence_rejects_rarely_when_it_should_not() -> None:
    alarms = sum(independence(RNG.normal(0, 1, 20)).suspicious for _ in range(1000))
    assert alarms <= stats.binom.ppf(0.9999, 1000, 0.03)
