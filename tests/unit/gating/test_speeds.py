"""How many speeds a clock has, from readings alone."""

from __future__ import annotations

import random

import pytest
from support import recorded, traces_host

from results.gating import observed, online_cpus, speeds
from results.gating.clock import clock_of
from results.store.store import RunDirectory


def drawn(seed: int, *levels: tuple[float, int], spread: float = 0.01) -> list[float]:
    """So many readings at each level, in any order."""
    chance = random.Random(seed)
    found = [
        level * chance.lognormvariate(0, spread) for level, count in levels for _ in range(count)
    ]
    chance.shuffle(found)
    return found


def test_no_reading_has_no_speed() -> None:
    assert speeds([]) is None


def test_equal_readings_are_one_speed() -> None:
    found = speeds([100.0] * 50)
    assert found is not None
    assert (found.fast_ns, found.two) == (pytest.approx(100), False)


@pytest.mark.parametrize("slow", [40, 100, 300, 360])
def test_two_speeds_are_found_with_their_distance_and_share(slow: int) -> None:
    found = speeds(drawn(1, (100.0, 400 - slow), (120.0, slow)))
    assert found is not None
    assert found.two
    assert found.apart == pytest.approx(0.2, abs=0.01)
    assert found.slow_share == pytest.approx(slow / 400, abs=0.01)


@pytest.mark.parametrize("seed", range(40))
def test_noise_of_one_level_is_one_speed(seed: int) -> None:
    chance = random.Random(seed)
    shapes = (
        drawn(seed, (100.0, 300), spread=0.05),
        [chance.uniform(100, 150) for _ in range(300)],
        [100 * (1 + chance.expovariate(10)) for _ in range(300)],
    )
    for readings in shapes:
        found = speeds(readings)
        assert found is not None
        assert not found.two


def test_speeds_that_are_nearly_the_same_are_one() -> None:
    found = speeds(drawn(2, (100.0, 200), (103.0, 200), spread=0.002))
    assert found is not None
    assert not found.two


def test_a_few_readings_far_off_hide_nothing() -> None:
    found = speeds(drawn(3, (100.0, 200), (120.0, 180), (170.0, 20), (900.0, 3)))
    assert found is not None
    assert found.apart == pytest.approx(0.2, abs=0.01)


def test_few_readings_say_nothing_of_speeds() -> None:
    found = speeds(drawn(4, (100.0, 9), (120.0, 9)))
    assert found is not None
    assert not found.two


@pytest.mark.parametrize("name", recorded.BOTH)
def test_the_recorded_hosts_clock_has_two_speeds(name: str) -> None:
    directory = RunDirectory.open(name, recorded.RUNS)
    online = online_cpus(directory.run().host)
    found = clock_of([each for t in directory.recorded() if (each := observed(t, online))])
    assert found is not None
    assert found.apart == pytest.approx(0.2, abs=0.01)
    assert 0.4 < found.slow_share < 0.6


@pytest.mark.parametrize("seed", range(10))
def test_what_begins_and_ends_with_single_trials_is_no_speed_of_the_clock(seed: int) -> None:
    slowed = traces_host.DISTURBANCES["frequency-drift"]
    found = clock_of(traces_host.one_arm(seed, slowed).observations)
    assert found is not None
    assert not found.two
