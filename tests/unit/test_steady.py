"""Whether iterations settle: shapes, and changepoints held to ruptures' own."""

from __future__ import annotations

import numpy as np
import pytest
import ruptures
from scipy import stats

from results.steady import MINIMUM_SEGMENT, PENALTY, _changepoints, steadiness

RNG = np.random.default_rng(20261124)
NOISE = RNG.normal(0, 1, 200)


def test_flat_iterations_are_flat() -> None:
    found = steadiness(100 + NOISE)
    assert (found.shape, found.steady_from, found.changepoints) == ("flat", 0, ())


def test_a_slow_start_is_a_warm_up_and_ends_where_it_ends() -> None:
    found = steadiness(100 + NOISE + 20 * (np.arange(200) < 40))
    assert found.shape == "warm-up"
    assert found.steady_from == pytest.approx(40, abs=2)
    throughput = steadiness(100 + NOISE - 20 * (np.arange(200) < 40), direction="higher")
    assert throughput.shape == "warm-up"


def test_a_fast_start_is_a_slowdown() -> None:
    assert steadiness(100 + NOISE - 20 * (np.arange(200) < 40)).shape == "slowdown"


def test_a_late_change_is_no_steady_state() -> None:
    found = steadiness(100 + NOISE + 20 * (np.arange(200) > 170))
    assert (found.shape, found.steady_from) == ("none", None)
    assert steadiness(100 + NOISE + np.arange(200)).shape == "none"


def test_a_spike_is_not_a_changepoint() -> None:
    spiky = 100 + NOISE
    spiky[[30, 90, 150]] = 1000
    assert steadiness(spiky).shape == "flat"


def test_a_step_far_below_the_tolerance_is_no_change() -> None:
    assert steadiness(100 + 0.001 * NOISE + 0.1 * (np.arange(200) < 40)).shape == "flat"


def test_constant_and_short_trials_are_answered() -> None:
    assert steadiness([5.0] * 30).shape == "flat"
    assert steadiness([5.0] * 15 + [6.0] * 15).shape in ("none", "slowdown")
    assert steadiness([1.0, 2.0]).shape == "too few"
    assert steadiness([]).means == ()


def test_flat_noise_seldom_raises_an_alarm() -> None:
    alarms = sum(steadiness(100 + RNG.normal(0, 1, 30)).shape != "flat" for _ in range(400))
    assert alarms <= stats.binom.ppf(0.9999, 400, 0.05)


def test_very_long_trials_are_searched_in_averages_and_told_in_iterations() -> None:
    x = 100 + RNG.normal(0, 1, 50_000) + 5 * (np.arange(50_000) < 10_000)
    found = steadiness(x)
    assert found.shape == "warm-up"
    assert found.steady_from == pytest.approx(10_000, abs=100)


@pytest.mark.parametrize("place", [0, 1, -2, -1])
def test_a_spike_at_an_end_is_no_level_either(place: int) -> None:
    spiky = [7000.0, 7040.0, 6980.0, 7020.0] * 4
    spiky[place] = 4930.0
    assert steadiness(spiky, direction="higher").shape == "flat"


@pytest.mark.parametrize("n", [16, 60, 200])
def test_changepoints_are_those_of_ruptures(n: int) -> None:
    for shifts in range(4):
        x = RNG.normal(0, 1, n)
        for _ in range(shifts):
            x[RNG.integers(0, n) :] += RNG.normal(0, 5)
        model = ruptures.KernelCPD(kernel="linear", min_size=MINIMUM_SEGMENT)
        theirs = model.fit((x - x.mean()).reshape(-1, 1)).predict(pen=PENALTY * np.log(n))
        assert _changepoints(x.tolist(), 1.0) == theirs[:-1]


def test_as_many_iterations_as_an_application_has_can_tell_that_nothing_settled() -> None:
    late = [100.0, 101.0, 99.0] * 4 + [100.0, 60.0, 61.0, 59.0]
    assert len(late) == 16
    assert steadiness(late, direction="higher").shape == "none"
