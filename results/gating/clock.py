"""The clock of a run: its speeds, told apart from disturbances of single trials."""

from __future__ import annotations

from collections.abc import Sequence

from results.gating.observations import Observation
from results.gating.speeds import Side, Speeds, speeds

LONELY = 0.5


def clock_of(observations: Sequence[Observation]) -> Speeds | None:
    """The speeds that the readings of a run show; None without any.

    Args:
        observations: in the order of their ends.
    """
    seen = [each for each in observations if each.counts and each.pace]
    took = [float(ns) for each in seen for _, ns in each.pace]
    return speeds(took, lambda side: _lonely(seen, side))


def _lonely(seen: Sequence[Observation], side: Side) -> bool:
    """Whether most readings of one side are of trials that had no others and stood alone.

    A clock does not know where a trial begins: it changes its speed within one, or keeps it into
    the next.  What begins and ends with single trials is no speed of the clock.
    """
    inside = [[side(took) for _, took in each.pace] for each in seen]
    everything = alone = 0
    for place, marks in enumerate(inside):
        everything += sum(marks)
        before = inside[place - 1][-1] if place else False
        after = inside[place + 1][0] if place + 1 < len(inside) else False
        if all(marks) and not before and not after:
            alone += len(marks)
    return alone > LONELY * everything
