"""Whether successive values are independent."""

from __future__ import annotations

import numpy as np
from scipy import stats

from results.stats.independence import independence

RNG = np.random.default_rng(17)


def test_independent_values_pass_and_drifting_ones_do_not() -> None:
    noise = RNG.normal(0, 1, 60)
    assert not independence(noise).suspicious
    drifting = independence(noise + np.arange(60.0))
    assert drifting.suspicious
    assert drifting.lag1 is not None
    assert drifting.lag1 > 0.8


def test_turning_points_are_counted_as_defined() -> None:
    found = independence(np.array([1, 3, 2, 4, 3, 5, 6, 7, 8, 2, 1.5]))
    assert found.turning_points == 5
    assert independence(np.array([1.0, 1, 2, 3, 4, 4, 5, 6, 7, 8])).turning_points is None
    assert independence(np.array([1.0, 2, 3])).lag1 is None


def test_alternating_values_are_caught() -> None:
    assert independence(np.array([1.0 + 0.01 * i * (-1) ** i for i in range(30)])).suspicious


def test_independence_rejects_rarely_when_it_should_not() -> None:
    alarms = sum(independence(RNG.normal(0, 1, 20)).suspicious for _ in range(1000))
    assert alarms <= stats.binom.ppf(0.9999, 1000, 0.03)
