"""The order of a block's slices: every arm once in each round, neighbours balanced.  Pure.

After Williams, "Experimental designs balanced for the estimation of residual effects of
treatments", Australian Journal of Scientific Research A2 (1949): in the rows of his square each
arm follows each other arm equally often, so that what a slice leaves to the next (caches, the
clock's boost) meets all arms alike.  One square has as many rows as there are arms, two where
that number is odd; of fewer rounds the balance is as near as the rows that are drawn allow.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

Row = tuple[int, ...]


def rounds(arms: int, count: int, generator: random.Random) -> list[Row]:
    """``count`` rounds, each with the numbers 0 … ``arms`` - 1 in the order of their slices.

    Where a round ends and the next begins two arms are neighbours too: of the rows that are left
    the next is one that does not begin with the arm before it and whose first pair was seldom
    there.
    """
    names = list(range(arms))
    generator.shuffle(names)
    chosen: list[Row] = []
    seen: Counter[tuple[int, int]] = Counter()
    left: list[Row] = []
    while len(chosen) < count:
        if not left:
            left = [tuple(names[place] for place in row) for row in square(arms)]
            generator.shuffle(left)
        row = min(left, key=lambda each: _boundary(chosen, each, seen)) if chosen else left[0]
        left.remove(row)
        if chosen:
            seen[chosen[-1][-1], row[0]] += 1
        seen.update(pairwise(row))
        chosen.append(row)
    return chosen


def square(arms: int) -> Iterator[Row]:
    """Rows of Williams's square; of both squares for an odd number of arms."""
    zigzag = [place // 2 if place % 2 == 0 else arms - 1 - place // 2 for place in range(arms)]
    for shift in range(arms):
        yield tuple((place + shift) % arms for place in zigzag)
    if arms % 2:
        for shift in range(arms):
            yield tuple((place + shift) % arms for place in reversed(zigzag))


def _boundary(chosen: Sequence[Row], row: Row, seen: Counter[tuple[int, int]]) -> tuple[bool, int]:
    pair = chosen[-1][-1], row[0]
    return pair[0] == pair[1], seen[pair]
