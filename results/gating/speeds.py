"""The speeds that a clock has, from how long a fixed piece of work took.

Cores whose other hardware thread works for somebody else have two, and change between them
within seconds: in most clouds, and in every arm alike.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

FEWEST = 20
"""Readings below which nothing is said of speeds."""
APART = 0.04
"""Closer ones are one: a spin on an idle virtual machine varies by 3 %."""
RARE = 0.05
"""What fewer of the readings show is no speed of the clock but a disturbance."""
ODD = 0.15
"""As many may be set aside at a time, where they hide what the rest shows."""
MOST_ODD = 0.25
"""More of them are no exception."""
SPREAD = 0.2
"""What may remain of the variance within two levels.  The best cut of a normal distribution
leaves 1 - 2/pi = 0.36 of it, that of a uniform one 0.25: neither has two speeds."""
BETWEEN = 0.2
"""Most of the readings in the middle third between two levels: more is a slope, not two steps."""

Side = Callable[[float], bool]
"""Whether a reading belongs to one side of a cut."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """One speed or two, as times of the work."""

    fast_ns: float
    slow_ns: float
    """Equal to ``fast_ns`` where there is one speed."""
    slow_share: float
    """Of the readings; 0 where there is one speed."""

    @property
    def two(self) -> bool:
        """Whether there are two."""
        return self.slow_share > 0

    @property
    def apart(self) -> float:
        """How much longer the work takes at the slower one: 0.2 for a fifth."""
        return self.slow_ns / self.fast_ns - 1

    def off(self, took_ns: float) -> float:
        """Logarithm of ``took_ns`` over the nearer speed's time."""
        distances = (math.log(took_ns / each) for each in (self.fast_ns, self.slow_ns))
        return min(distances, key=abs)


def speeds(
    took_ns: Iterable[float], exceptional: Callable[[Side], bool] = lambda _: False
) -> Speeds | None:
    """The speeds that these readings show; None where there are none.

    Two, where one cut of the sorted logarithms leaves little variance on its sides (the exact
    solution of 2-means in one dimension), both sides are common, far apart, and little lies
    between them.  A few that are far from the rest are set aside, and the rest is looked at again.

    Args:
        took_ns: readings.
        exceptional: whether those of a side are a disturbance of single trials, as far as that
            can be told from elsewhere.
    """
    logs = sorted(math.log(each) for each in took_ns)
    if not logs:
        return None
    least = max(FEWEST, (1 - MOST_ODD) * len(logs))
    rest: Sequence[float] = logs
    while len(rest) >= least and (cut := _best_cut(rest)):
        few, many = sorted((rest[:cut], rest[cut:]), key=len)
        alone = exceptional(_side(few, many))
        if _are_two(rest, cut) and len(few) >= RARE * len(rest) and not alone:
            fast, slow = (math.exp(statistics.median(side)) for side in (rest[:cut], rest[cut:]))
            return Speeds(fast, slow, (len(rest) - cut) / len(rest))
        if not alone:
            # What hides them may be a few that are far off, on either end.
            few, many = _ends(rest)
            if abs(statistics.median(few) - statistics.median(many)) < math.log1p(ODD):
                break
        rest = many
    middle = math.exp(statistics.median(rest))
    return Speeds(middle, middle, 0.0)


def _side(few: Sequence[float], many: Sequence[float]) -> Side:
    border = (
        math.exp((few[0] + many[-1]) / 2)
        if few[0] > many[-1]
        else math.exp((few[-1] + many[0]) / 2)
    )
    slower = few[0] > many[-1]
    return lambda took_ns: (took_ns > border) == slower


def _ends(logs: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """The best cut that parts but a few, on either end, from the rest."""
    most = max(1, int(ODD * len(logs)))
    cut = _best_cut(logs, [*range(1, most + 1), *range(len(logs) - most, len(logs))])
    return (logs[:cut], logs[cut:]) if cut <= most else (logs[cut:], logs[:cut])


def _best_cut(logs: Sequence[float], places: Iterable[int] | None = None) -> int:
    """Where the slower readings begin, if there are two kinds; 0 where all are equal."""
    n, centre = len(logs), statistics.fmean(logs)
    if logs[0] == logs[-1]:
        return 0
    sums = list(accumulate(value - centre for value in logs))
    # What a cut takes away from the variance is n/(k(n-k)) times the squared sum of one side.
    return max(places or range(1, n), key=lambda k: sums[k - 1] ** 2 / (k * (n - k)))


def _are_two(logs: Sequence[float], cut: int) -> bool:
    """Whether two levels are far apart, narrow, and have little between them."""
    sides = logs[:cut], logs[cut:]
    low, high = (statistics.median(side) for side in sides)
    third = (high - low) / 3
    within = sum(len(side) * statistics.pvariance(side) for side in sides)
    between = sum(low + third < value < high - third for value in logs)
    return (
        high - low >= math.log1p(APART)
        and within <= SPREAD * len(logs) * statistics.pvariance(logs)
        and between <= BETWEEN * len(logs)
    )
