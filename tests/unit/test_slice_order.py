"""The order of a block's slices."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from harness.slices import order

ARMS = range(2, 12)


def drawn(arms: int, count: int, seed: int = 1) -> list[order.Row]:
    return order.rounds(arms, count, random.Random(seed))


@pytest.mark.parametrize("arms", ARMS)
def test_in_a_square_each_arm_follows_each_other_equally_often(arms: int) -> None:
    rows = list(order.square(arms))
    followed = Counter(pair for row in rows for pair in pairwise(row))
    assert len(rows) == (2 * arms if arms % 2 else arms)
    assert len(followed) == arms * (arms - 1)
    assert len(set(followed.values())) == 1


@pytest.mark.parametrize("arms", ARMS)
def test_each_round_holds_every_arm_once(arms: int) -> None:
    for row in drawn(arms, 25):
        assert sorted(row) == list(range(arms))


@pytest.mark.parametrize("arms", range(3, 12))
def test_no_arm_follows_itself_where_there_is_a_choice(arms: int) -> None:
    slices = [arm for row in drawn(arms, 10 * arms) for arm in row]
    repeated = sum(one == other for one, other in pairwise(slices))
    assert repeated <= len(slices) // arms // arms


@pytest.mark.parametrize("arms", ARMS)
def test_neighbours_are_balanced_over_many_rounds(arms: int) -> None:
    slices = [arm for row in drawn(arms, 6 * arms) for arm in row]
    followed = Counter(pair for pair in pairwise(slices) if pair[0] != pair[1])
    assert max(followed.values()) - min(followed.values()) <= 8


def test_the_order_is_that_of_its_seed() -> None:
    assert drawn(5, 12, seed=3) == drawn(5, 12, seed=3)
    assert drawn(5, 12, seed=3) != drawn(5, 12, seed=4)


def test_every_arm_comes_first_about_equally_often() -> None:
    firsts = Counter(row[0] for row in drawn(6, 60))
    assert set(firsts.values()) == {10}
