"""The smallest effect to expect, from blocks in which two equal arms took turns."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from harness.trial.slices import order
from results.stats import StatsError, compare
from results.stats.expected import smallest
from results.stats.interleaved import Block
from tests.support import slice_hosts

ROUNDS = 10


def blocks(count: int, noise: float, seed: int, drift: slice_hosts.Drift) -> list[Block]:
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    found = []
    for _ in range(count):
        arms = np.array([arm for row in order.rounds(2, ROUNDS, chance) for arm in row])
        logs = drift(rng, arms.size) + noise * rng.standard_normal(arms.size)
        numbers = np.repeat(np.arange(ROUNDS), 2)
        found.append(Block(logs, arms, numbers, np.arange(arms.size), 2))
    return found


@pytest.mark.slow
def test_the_effect_is_the_half_width_that_quick_has_on_such_noise() -> None:
    """Normal noise: one block of R rounds has a deviation of noise·sqrt(2/R)."""
    noise, rounds, design = 0.008, 20, 5
    found = [
        smallest(blocks(10, noise, seed, slice_hosts.quiet), rounds=rounds, design_blocks=design)
        for seed in range(30)
    ]
    rng, widths = np.random.default_rng(1), []
    for _ in range(300):
        one, other = np.exp(rng.normal(0.0, noise / math.sqrt(rounds), (2, design)))
        got = compare(one, other, margin=0.02, blocks=(list(range(design)),) * 2)
        assert got.low is not None
        assert got.high is not None
        widths.append(math.log(got.high / got.low) / 2)
    assert np.median(found) == pytest.approx(np.median(widths), rel=0.25)


def test_a_clock_with_two_speeds_is_mostly_cancelled() -> None:
    two = blocks(10, 0.008, 2, slice_hosts.two_speeds(1.0))
    effect = smallest(two, rounds=20, design_blocks=5)
    assert 0.001 < effect < 0.03  # of speeds 20 % apart


def test_more_blocks_promise_a_smaller_effect() -> None:
    made = blocks(10, 0.008, 4, slice_hosts.quiet)
    five, twelve, forty = (smallest(made, rounds=20, design_blocks=n) for n in (5, 12, 40))
    assert forty < twelve < five
    assert smallest(made, rounds=80, design_blocks=12) == pytest.approx(twelve / 2, rel=0.01)


def test_equal_times_promise_to_show_anything() -> None:
    assert smallest(blocks(10, 0.0, 1, slice_hosts.quiet), rounds=20, design_blocks=5) == 0.0


def test_too_few_blocks_on_either_side_are_refused() -> None:
    made = blocks(10, 0.008, 1, slice_hosts.quiet)
    with pytest.raises(StatsError, match="2 blocks hold both arms"):
        smallest(made[:2], rounds=20, design_blocks=5)
    with pytest.raises(StatsError, match="fewer than"):
        smallest(made, rounds=20, design_blocks=2)
