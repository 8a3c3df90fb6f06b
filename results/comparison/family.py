"""Many comparisons at once: which differences survive Holm's step-down procedure.

With m comparisons, each at 5 %, about m/20 differ by chance.  Holm (1979, "A Simple Sequentially
Rejective Multiple Test Procedure") takes the k-th clearest of them (from 0) at alpha/(m − k), and
stops at the first that fails: then the chance of even one false difference in the whole family is
at most alpha, however the comparisons depend on each other.

There is no p-value to sort by, but intervals at any level: a comparison is as clear as the
largest divisor d, up to m, for which its interval at alpha/d excludes no change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Excludes = Callable[[int], bool]
"""Whether the interval at alpha/d excludes no change; once false, false for all larger d."""


def survivors(family: Sequence[Excludes]) -> tuple[bool, ...]:
    """Which members differ, the chance of one false difference among all kept at alpha."""
    m = len(family)
    clarity = [_clarity(excludes, m) for excludes in family]
    kept = [False] * m
    for rank, place in enumerate(sorted(range(m), key=lambda place: -clarity[place])):
        if clarity[place] < m - rank:
            break
        kept[place] = True
    return tuple(kept)


def _clarity(excludes: Excludes, m: int) -> int:
    """The largest divisor up to ``m`` for which it still excludes; 0 where none does."""
    if not excludes(1):
        return 0
    low, high = 1, m + 1  # it excludes at low, and not, or not asked, at high
    while high - low > 1:
        middle = (low + high) // 2
        if excludes(middle):
            low = middle
        else:
            high = middle
    return low
