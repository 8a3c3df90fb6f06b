"""The order of a block's slices."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise, product

import pytest

from harness.trial.slices import order

ARMS = range(2, 12)


def drawn(arms: int, count: int, seed: int = 1) -> list[order.Row]:
    return order.rounds(arms, count, random.Random(seed))


@pytest.mark.parametrize("arms", ARMS)
def test_each_round_holds_every_arm_once(arms: int) -> None:
    rows = drawn(arms, 25)
    assert len(rows) == 25
    for row in rows:
        assert sorted(row) == list(range(arms))


@pytest.mark.parametrize("arms", ARMS)
@pytest.mark.parametrize("seed", range(5))
def test_each_arm_follows_each_itself_included_equally_often(arms: int, seed: int) -> None:
    slices = [arm for row in drawn(arms, 6 * arms, seed) for arm in row]
    followed = Counter(pairwise(slices))
    counts = [followed[pair] for pair in product(range(arms), repeat=2)]
    assert max(counts) - min(counts) <= 3
    assert sum(counts) == 6 * arms * arms - 1


@pytest.mark.parametrize("seed", range(5))
def test_a_short_block_is_as_even_as_its_rounds_allow(seed: int) -> None:
    slices = [arm for row in drawn(8, 10, seed) for arm in row]
    followed = Counter(pairwise(slices))
    counts = [followed[pair] for pair in product(range(8), repeat=2)]
    assert (min(counts), max(counts)) in {(0, 2), (1, 2), (0, 3), (1, 3)}  # 79 pairs of 64


@pytest.mark.parametrize("arms", ARMS)
def test_each_arm_has_each_place_in_a_round_about_equally_often(arms: int) -> None:
    placed = Counter(pair for row in drawn(arms, 10 * arms) for pair in enumerate(row))
    counts = [placed[pair] for pair in product(range(arms), repeat=2)]
    assert min(counts) >= 5
    assert max(counts) <= 16


def test_the_order_is_that_of_its_seed() -> None:
    assert drawn(5, 12, seed=3) == drawn(5, 12, seed=3)
    assert drawn(5, 12, seed=3) != drawn(5, 12, seed=4)


def test_one_arm_alone_is_in_every_round() -> None:
    assert drawn(1, 3) == [(0,), (0,), (0,)]
