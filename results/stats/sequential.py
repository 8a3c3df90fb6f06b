"""Looking repeatedly, block after block, without being fooled by it.

The bound: over all looks together, the probability of a false "different" (or negligible)
is at most alpha, and that of a false "equivalent" at most alpha.  Each look k compares at
nominal levels that spend part of alpha (``spending``); its intervals are corrected
("repeated confidence intervals", Jennison & Turnbull 1989), so they hold at every look.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from results.stats.errors import StatsError
from results.stats.intervals import MINIMUM_TRIALS, RESERVE, Levels
from results.stats.spending import nominal_levels, spent
from results.stats.values import fraction

GROWTH = 1.25
"""Each look has about a quarter more blocks than the one before."""


@dataclass(frozen=True, slots=True)
class SequentialPlan:
    """At how many blocks to look, fixed before the data, and at which levels."""

    looks: tuple[int, ...]
    """Blocks at each look, rising; the last is the most that will be run."""
    confidence: float
    levels: tuple[Levels, ...]
    """Nominal two-sided error probabilities per look."""

    @property
    def maximum(self) -> int:
        """The most blocks that the plan allows."""
        return self.looks[-1]

    def ending_at(self, blocks: int) -> SequentialPlan:
        """The plan with its last look here, because the budget ends.

        Looks already taken keep their levels; the last one spends all that is left.  Honest
        only if the data had no say in when to end (time and money may).
        """
        past = tuple(look for look in self.looks if look < blocks)
        return _plan((*past, blocks), self.confidence, self.maximum)


def plan(
    maximum_blocks: int, *, confidence: float = 0.95, looks: tuple[int, ...] = ()
) -> SequentialPlan:
    """A plan for at most ``maximum_blocks``.

    By default looks start at the fewest blocks whose ranks can reach the level they get, and
    grow by ``GROWTH``.  Raises StatsError for fewer blocks than give an interval.
    """
    confidence = fraction(confidence, "confidence")
    if maximum_blocks < MINIMUM_TRIALS:
        raise StatsError(
            f"{maximum_blocks} blocks cannot give an interval",
            argument="maximum_blocks",
            hint=f"at least {MINIMUM_TRIALS}",
        )
    chosen = looks or _default_looks(maximum_blocks, 1.0 - confidence)
    rising = all(a < b for a, b in pairwise(chosen))
    if not rising or chosen[0] < 1 or chosen[-1] != maximum_blocks:
        raise StatsError("looks must rise and end at maximum_blocks", argument="looks")
    return _plan(tuple(chosen), confidence, maximum_blocks)


def _default_looks(maximum: int, alpha: float) -> tuple[int, ...]:
    first = MINIMUM_TRIALS
    while first < maximum and 2.0 ** (1 - first) > RESERVE * spent(alpha, first / maximum):
        first += 1
    looks = [first]
    while looks[-1] < maximum:
        following = max(looks[-1] + 1, round(looks[-1] * GROWTH))
        # A last look just after another would cost error and bring nothing.
        looks.append(maximum if following * (1 + GROWTH) / 2 > maximum else following)
    return tuple(looks)


def _plan(looks: tuple[int, ...], confidence: float, maximum: int) -> SequentialPlan:
    of = Levels.of(confidence)
    per_look = [
        nominal_levels(looks, _increments(looks, alpha, maximum))
        for alpha in (of.difference, of.equivalence)
    ]
    levels = tuple(Levels(d, e) for d, e in zip(*per_look, strict=True))
    return SequentialPlan(looks, confidence, levels)


def _increments(looks: tuple[int, ...], alpha: float, maximum: int) -> tuple[float, ...]:
    totals = [spent(alpha, count / maximum) for count in looks[:-1]] + [alpha]
    return tuple(b - a for a, b in pairwise([0.0, *totals]))
