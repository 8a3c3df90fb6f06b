"""Whether the iterations inside a trial reached a steady state.  Standard library only.

After Barrett, Bolz-Tereick, Killick, Mount & Tratt, "Virtual Machine Warmup Blows Hot and
Cold", OOPSLA 2017: find changepoints in mean, then name the shape of the segments.  The trial
engine asks this while it measures, so nothing large may be imported here.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

Shape = Literal["flat", "warm-up", "slowdown", "none", "too few"]

MINIMUM_ITERATIONS = 10
"""Fewer say nothing about a trend."""
MINIMUM_SEGMENT = 3
PENALTY = 5.0
"""Per changepoint, in ln(n) noise variances: false alarms on flat noise stay below 5 %."""
TOLERANCE = 0.005
"""Relative difference of segment means that is no change (Barrett et al. use an absolute
millisecond; a ratio serves metrics of any unit)."""
STEADY_TAIL = 0.25
"""The last part of the trial in which a changepoint means "no steady state"; Barrett et
al. take the last 500 of 2,000 iterations."""
LONGEST = 1_000
"""Iterations beyond which neighbours are averaged first: the search is quadratic."""
SPIKE = 4.0
"""Noise deviations from the local median beyond which one value is a spike, not a level."""


@dataclass(frozen=True, slots=True)
class Steadiness:
    """The shape of one trial's iterations."""

    shape: Shape
    steady_from: int | None
    """First iteration of the steady state, from 0; None where there is none."""
    changepoints: tuple[int, ...]
    """First iteration of every segment but the first."""
    means: tuple[float, ...]
    """Mean of every segment."""


def steadiness(
    iterations: Iterable[float], *, direction: Literal["higher", "lower"] = "lower"
) -> Steadiness:
    """Classify a trial's iterations, finite numbers given in order.

    flat: no change in mean; warm-up: the last segment is the best (or as good as the best);
    slowdown: an earlier one was better; none: it still changed in the last quarter.
    Segments whose means differ by less than ``TOLERANCE`` or by less than their own noise
    count as alike.  ``direction`` says whether higher values are better.
    """
    x = [float(value) for value in iterations]
    if len(x) < MINIMUM_ITERATIONS:
        return Steadiness("too few", None, (), (statistics.fmean(x),) if x else ())
    width = -(-len(x) // LONGEST)
    if width > 1:
        starts = range(0, len(x) // width * width, width)
        x = [statistics.fmean(x[start : start + width]) for start in starts]
    noise = _noise(x)
    calm = _without_spikes(x, noise)
    cuts = _merged(calm, _changepoints(calm, noise), noise)
    means = tuple(statistics.fmean(calm[a:b]) for a, b in pairwise([0, *cuts, len(x)]))
    if not cuts:
        return Steadiness("flat", 0, (), means)
    places = tuple(cut * width for cut in cuts)
    if cuts[-1] > len(x) * (1.0 - STEADY_TAIL):
        return Steadiness("none", None, places, means)
    sign = 1.0 if direction == "higher" else -1.0
    best = max(sign * mean for mean in means)
    reached = best - sign * means[-1] <= TOLERANCE * abs(best)
    return Steadiness("warm-up" if reached else "slowdown", places[-1], places, means)


def _noise(x: Sequence[float]) -> float:
    """Noise deviation from successive differences: blind to a few shifts of level."""
    steps = [abs(b - a) for a, b in pairwise(x)]
    robust = 1.4826 * statistics.median(steps) / math.sqrt(2.0)
    return robust or statistics.fmean(steps) / math.sqrt(2.0)


def _without_spikes(x: Sequence[float], noise: float) -> list[float]:
    """Single spikes pulled to their neighbours' median (of five), as Barrett et al. do.

    Reflected at the ends: an end repeated would be its own majority, and no spike there seen.
    """
    padded = [x[2], x[1], *x, x[-2], x[-3]]
    local = [statistics.median(padded[place : place + 5]) for place in range(len(x))]
    return [
        median if abs(value - median) > SPIKE * noise else value
        for value, median in zip(x, local, strict=True)
    ]


def _changepoints(x: Sequence[float], noise: float) -> list[int]:
    """Optimal partition in mean: least squares plus a penalty per changepoint.

    The recursion of Jackson et al., "An algorithm for optimal partitioning of data on an
    interval", 2005: the best partition up to ``end`` is the best one up to some ``start`` and one
    more segment.
    """
    if noise <= 0.0:
        return []
    centre = statistics.fmean(x)
    scaled = [(value - centre) / noise for value in x]
    sums = [0.0, *accumulate(scaled)]
    squares = [0.0, *accumulate(value * value for value in scaled)]
    penalty = PENALTY * math.log(len(x))
    best = [0.0 if end == 0 else math.inf for end in range(len(x) + 1)]
    came_from = [0] * (len(x) + 1)
    for end in range(MINIMUM_SEGMENT, len(x) + 1):
        for start in range(end - MINIMUM_SEGMENT + 1):
            spread = squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / (end - start)
            total = best[start] + spread + (penalty if start else 0.0)
            if total < best[end]:
                best[end], came_from[end] = total, start
    cuts, end = [], came_from[len(x)]
    while end > 0:
        cuts.append(end)
        end = came_from[end]
    return cuts[::-1]


def _merged(x: Sequence[float], cuts: Sequence[int], noise: float) -> list[int]:
    """Drop changepoints between segments that are alike, least change first."""
    kept = list(cuts)
    while kept:
        edges = [0, *kept, len(x)]
        changes = [
            (_change(x[a:b], x[b:c], noise), place)
            for place, (a, b, c) in enumerate(zip(edges, edges[1:], edges[2:], strict=False))
        ]
        least, place = min(changes)
        if least > 1.0:
            break
        del kept[place]
    return kept


def _change(left: Sequence[float], right: Sequence[float], noise: float) -> float:
    """Difference of two neighbours' means, in units of what counts as none."""
    before, after = statistics.fmean(left), statistics.fmean(right)
    blur = 2.0 * noise * math.sqrt(1.0 / len(left) + 1.0 / len(right))
    limit = max(TOLERANCE * abs(before), blur)
    return abs(after - before) / limit if limit else math.inf
