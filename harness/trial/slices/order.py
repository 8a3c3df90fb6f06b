"""The order of a block's slices: every arm once in each round, neighbours balanced.  Pure.

What a slice leaves to the next (caches, the clock's boost) is to meet all arms alike.  In the
squares of Williams ("Experimental designs balanced for the estimation of residual effects of
treatments", Australian Journal of Scientific Research A2, 1949) each arm follows each other arm
equally often, but never itself, so that what an arm leaves is a part of every difference from it.
Here a round begins with the arm that ended the one before: each arm then follows each, itself
included, equally often, and what they leave cancels (strongly balanced designs: Cheng & Wu,
"Balanced repeated measurements designs", Annals of Statistics 8, 1980).  Rounds are drawn at random
and kept where they even out the counts, as far as their number allows.
"""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

Row = tuple[int, ...]

DRAWS = 24
"""Of each round; the one that evens out most is kept."""
PLACES = 0.1
"""What an arm's place within its round counts beside its neighbours."""


def rounds(arms: int, count: int, generator: random.Random) -> list[Row]:
    """``count`` rounds, each with the numbers 0 … ``arms`` - 1 in the order of their slices."""
    followed: Counter[tuple[int, int]] = Counter()
    placed: Counter[tuple[int, int]] = Counter()
    chosen: list[Row] = []
    first = generator.randrange(arms)
    for _ in range(count):
        drawn = [_drawn(arms, first, followed, generator) for _ in range(DRAWS)]
        row = min(drawn, key=lambda each: _unevenness(each, followed, placed))
        followed.update(pairwise(row))
        placed.update(enumerate(row))
        first = row[-1]
        followed[first, first] += 1
        chosen.append(row)
    return chosen


def _drawn(
    arms: int, first: int, followed: Counter[tuple[int, int]], generator: random.Random
) -> Row:
    """A round that goes from each arm to one that seldom followed it."""
    row, left = [first], [arm for arm in range(arms) if arm != first]
    while left:
        generator.shuffle(left)
        row.append(left.pop(_least(left, row[-1], followed)))
    return tuple(row)


def _least(left: list[int], last: int, followed: Counter[tuple[int, int]]) -> int:
    return min(range(len(left)), key=lambda place: followed[last, left[place]])


def _unevenness(
    row: Row, followed: Counter[tuple[int, int]], placed: Counter[tuple[int, int]]
) -> float:
    """What the squares of the counts grow by."""
    neighbours = sum(followed[pair] for pair in pairwise(row)) + followed[row[-1], row[-1]]
    return neighbours + PLACES * sum(placed[place] for place in enumerate(row))
