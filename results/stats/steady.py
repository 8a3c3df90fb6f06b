"""Whether the iterations inside a trial reached a steady state.

After Barrett, Bolz-Tereick, Killick, Mount & Tratt, "Virtual Machine Warmup Blows Hot and
Cold", OOPSLA 2017: find changepoints in mean, then name the shape of the segments.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from results.stats.values import FloatArray, series

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
LONGEST = 4_000
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
    iterations: Iterable[Any], *, direction: Literal["higher", "lower"] = "lower"
) -> Steadiness:
    """Classify a trial's iterations, given in order.

    flat: no change in mean; warm-up: the last segment is the best (or as good as the best);
    slowdown: an earlier one was better; none: it still changed in the last quarter.
    Segments whose means differ by less than ``TOLERANCE`` or by less than their own noise
    count as alike.  ``direction`` says whether higher values are better.
    """
    x = series(iterations, "iterations")
    if x.size < MINIMUM_ITERATIONS:
        return Steadiness("too few", None, (), (float(x.mean()),) if x.size else ())
    bin_size = -(-x.size // LONGEST)
    if bin_size > 1:
        x = x[: x.size // bin_size * bin_size].reshape(-1, bin_size).mean(axis=1)
    noise = _noise(x)
    calm = _without_spikes(x, noise)
    cuts = _merged(calm, _changepoints(calm, noise), noise)
    edges = [0, *cuts, x.size]
    means = tuple(float(calm[a:b].mean()) for a, b in pairwise(edges))
    if not cuts:
        return Steadiness("flat", 0, (), means)
    if cuts[-1] > x.size * (1.0 - STEADY_TAIL):
        return Steadiness("none", None, tuple(cut * bin_size for cut in cuts), means)
    sign = 1.0 if direction == "higher" else -1.0
    best = max(sign * mean for mean in means)
    reached = best - sign * means[-1] <= TOLERANCE * abs(best)
    starts = tuple(cut * bin_size for cut in cuts)
    return Steadiness("warm-up" if reached else "slowdown", starts[-1], starts, means)


def _noise(x: FloatArray) -> float:
    """Noise deviation from successive differences: blind to a few shifts of level."""
    steps = np.abs(np.diff(x))
    robust = 1.4826 * float(np.median(steps)) / math.sqrt(2.0)
    return robust or float(steps.mean()) / math.sqrt(2.0)


def _without_spikes(x: FloatArray, noise: float) -> FloatArray:
    """Single spikes pulled to their neighbours' median (of five), as Barrett et al. do."""
    padded = np.pad(x, 2, mode="edge")
    local = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    calm: FloatArray = np.where(np.abs(x - local) > SPIKE * noise, local, x)
    return calm


def _changepoints(x: FloatArray, noise: float) -> list[int]:
    """Optimal partition in mean: least squares plus a penalty per changepoint."""
    if noise <= 0.0:
        return []
    import ruptures  # noqa: PLC0415 - costs a second, and few reports look inside trials

    scaled = ((x - x.mean()) / noise).reshape(-1, 1)
    model = ruptures.KernelCPD(kernel="linear", min_size=MINIMUM_SEGMENT).fit(scaled)
    # ruptures answers numpy integers and closes the list with the length.
    return [int(cut) for cut in model.predict(pen=PENALTY * math.log(x.size))[:-1]]


def _merged(x: FloatArray, cuts: list[int], noise: float) -> list[int]:
    """Drop changepoints between segments that are alike, least change first."""
    kept = list(cuts)
    while kept:
        edges = [0, *kept, x.size]
        changes = []
        for place in range(len(kept)):
            left, right = x[edges[place] : edges[place + 1]], x[edges[place + 1] : edges[place + 2]]
            size = abs(float(right.mean() - left.mean()))
            blur = 2.0 * noise * math.sqrt(1.0 / left.size + 1.0 / right.size)
            limit = max(TOLERANCE * abs(float(left.mean())), blur)
            changes.append((size / limit if limit else math.inf, place))
        least, place = min(changes)
        if least > 1.0:
            break
        del kept[place]
    return kept
