"""Intervals for the log ratio of two arms: unpaired, and paired by block.

Both rest on exchangeability, not on a shape: if the candidate behaves like the baseline
times θ, the intervals cover log θ with the stated probability whatever the distribution
(bimodal, skewed, heavy-tailed).  Where the arms differ in shape the target is the typical
ratio: the θ that candidate/baseline exceeds as often as it falls below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import bdtr, stdtrit

from results.stats.ranks import (
    mann_whitney_cutoff,
    ordered_differences,
    ordered_walsh,
    signed_rank_cutoff,
)
from results.stats.values import FloatArray

MINIMUM_TRIALS = 5
"""Fewer trials per arm, or fewer blocks, give no interval.

With n values whose spread is all in one arm, or n differences that can only be ±δ, no rule
that looks at the data can cover with more than 1 − 2^(1−n): 87.5 % for 4, 93.75 % for 5.
"""
SLACK = 1.25
"""Where no sign interval reaches 1 − alpha, the worst-case error allowed, in alphas.

It is what makes 5 trials enough for 95 %: 2^(1−5) = 0.0625 = 1.25 · 0.05.
"""

RESERVE = 0.9
"""Share of alpha that cutoffs are taken at.

Blocks and trials are never quite exchangeable; without a reserve the error sits exactly at
alpha for many trials, and any such flaw puts it above.  It costs 2 % of width.
"""
NOISE_OF_SPREAD = 1.25
"""Excess variance of U that arms of equal shape show by chance."""
ROUNDING = 1.0 + 1e-9
"""Keeps 0.0625 from missing 1.25 · (1 − 0.95)."""

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LogInterval:
    """Centre and two nested intervals of a log ratio; None where declined."""

    center: float
    wide: Bounds | None
    """At 1 − ``Levels.difference``: does it exclude 0?"""
    narrow: Bounds | None
    """At 1 − ``Levels.equivalence``: does it lie inside the margin?"""
    method: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Levels:
    """Two-sided error probabilities of the two intervals."""

    difference: float
    equivalence: float

    @staticmethod
    def of(confidence: float) -> Levels:
        """0.95 → 0.05 and 0.10: TOST at alpha is the 1 − 2·alpha interval (Schuirmann 1987)."""
        alpha = 1.0 - confidence
        return Levels(alpha, min(2.0 * alpha, 0.999))


def unpaired(x: FloatArray, y: FloatArray, levels: Levels) -> LogInterval:
    """Hodges–Lehmann estimate and Mann–Whitney interval of y − x (both logs).

    The cutoff is exact for arms of equal shape.  Where U spreads more than that it is widened
    by the Brunner–Munzel variance (Brunner & Munzel 2000, eq. 2.4), but never beyond what
    van Dantzig's bound Var(U/mn) ≤ 1/(4 min(m, n)) requires, reached when one arm is constant.
    """
    method = "Hodges–Lehmann ratio, Mann–Whitney interval"
    pairs = x.size * y.size
    if min(x.size, y.size) < MINIMUM_TRIALS:
        center = _median_difference(x, y)
        few = f"fewer than {MINIMUM_TRIALS} trials in an arm ({x.size} and {y.size}): no interval"
        return LogInterval(center, None, None, method, (few,))
    middle = ordered_differences(x, y, [(pairs - 1) // 2, pairs // 2])
    center = float(middle.mean())
    spread = _spread(x, y - center)
    cutoffs = [
        _unpaired_cutoff(x.size, y.size, alpha, spread)
        for alpha in (levels.difference, levels.equivalence)
    ]
    found = ordered_differences(
        x, y, [place for k in cutoffs for place in (max(k, 0), pairs - 1 - max(k, 0))]
    )
    wide = _bounds(found[:2], center) if cutoffs[0] >= 0 else None
    narrow = _bounds(found[2:], center) if cutoffs[1] >= 0 else None
    warnings = _declined(wide, levels.difference, f"{x.size} and {y.size} trials")
    return LogInterval(center, wide, narrow, method, warnings)


def paired(d: FloatArray, levels: Levels) -> LogInterval:
    """Pseudo-median and signed-rank interval of the log ratios of blocks.

    Arms run in random order inside a block, so under "no difference" each log ratio is
    symmetric about 0, whatever the block did to both arms (drift included).  With so few
    blocks that ranks cannot reach the level, but 2^(1−n) ≤ SLACK·alpha, the hull of
    Student's t interval and [min, max] is used: it covers with 1 − 2^(1−n) at least.
    """
    sums = d.size * (d.size + 1) // 2
    middle = ordered_walsh(d, [(sums - 1) // 2, sums // 2])
    center = float(middle.mean())
    method = "paired by block, pseudo-median of ratios, signed-rank interval"
    if d.size < MINIMUM_TRIALS:
        few = f"fewer than {MINIMUM_TRIALS} blocks with both arms ({d.size}): no interval"
        return LogInterval(center, None, None, method, (few,))
    cutoffs = [
        signed_rank_cutoff(d.size, RESERVE * alpha / 2.0)
        for alpha in (levels.difference, levels.equivalence)
    ]
    hull = cutoffs[0] < 0 and 2.0 ** (1 - d.size) <= SLACK * levels.difference * ROUNDING
    if hull:
        method = "paired by block, pseudo-median of ratios, hull of t interval and range"
    found = ordered_walsh(
        d, [place for k in cutoffs for place in (max(k, 0), sums - 1 - max(k, 0))]
    )
    wide = _bounds(found[:2], center) if cutoffs[0] >= 0 or hull else None
    if wide and hull:
        low, high = _student(d, RESERVE * levels.difference)
        wide = min(low, wide[0]), max(high, wide[1])
    narrow = _bounds(found[2:], center) if cutoffs[1] >= 0 or hull else None
    return LogInterval(
        center, wide, narrow, method, _declined(wide, levels.difference, f"{d.size} blocks")
    )


def unpairable(x: FloatArray, y: FloatArray) -> LogInterval:
    """The estimate without an interval, where blocks were given and none holds both arms."""
    reason = "no block holds both arms: no interval"
    return LogInterval(_median_difference(x, y), None, None, "Hodges–Lehmann ratio", (reason,))


def _unpaired_cutoff(m: int, n: int, alpha: float, spread: _Spread) -> int:
    """The exact cutoff's distance from the middle, inflated where U spreads more than that."""
    tail = RESERVE * alpha / 2.0
    exact = mann_whitney_cutoff(m, n, tail)
    quantiles = stdtrit(spread.freedom, 1.0 - tail) / stdtrit(m + n - 2.0, 1.0 - tail)
    inflation = spread.ratio * float(quantiles)
    if inflation <= 1.0:
        return exact
    middle = (m * n - 1) / 2.0
    widened = math.floor(middle - (middle - exact) * inflation - spread.half_step)
    return min(exact, max(widened, _worst_cutoff(m, n, alpha)))


@lru_cache(maxsize=4096)
def _worst_cutoff(m: int, n: int, alpha: float) -> int:
    """Cutoff that covers even when one arm is constant: then U is a multiple of a sign test.

    If the other arm has s values, D holds m·n/s copies of each; the sign interval
    [v(l), v(s−l+1)] with 2 P(Bin(s, 1/2) < l) ≤ alpha starts in the middle of v(l)'s copies.
    """
    worst = m * n
    for size in {m, n}:
        successes = 0
        while 2.0 * float(bdtr(successes, size, 0.5)) <= alpha:
            successes += 1
        if successes == 0 and 2.0 ** (1 - size) <= SLACK * alpha * ROUNDING:
            successes = 1
        copies = m * n // size
        worst = min(worst, copies * (successes - 1) + (copies - 1) // 2)
    return max(-1, worst)


TIE = 1e-9
"""Log values closer than this are equal: far below what any clock can tell."""


@dataclass(frozen=True, slots=True)
class _Spread:
    """How U varies, by placements."""

    ratio: float
    """Standard deviation of U ÷ that of arms of equal shape; 0 where nothing varies."""
    freedom: float
    """Satterthwaite degrees of freedom."""
    half_step: float
    """Continuity correction beyond one half: U then moves in steps of many pairs."""


def _spread(x: FloatArray, y: FloatArray) -> _Spread:
    """Brunner–Munzel variance m·S²(placements of x) + n·S²(placements of y), x, y aligned.

    U moves in steps of 1 where the arms interleave and of a whole arm's size where one arm
    is constant; in between, from a tolerance for noise on, the step is interpolated.
    """
    m, n = x.size, y.size
    part_x = m * float(_placements(x, y).var(ddof=1))
    part_y = n * float(_placements(y, x).var(ddof=1))
    total = part_x + part_y
    if total <= 0.0:
        return _Spread(0.0, 1.0, 0.0)
    freedom = total**2 / (part_x**2 / (m - 1) + part_y**2 / (n - 1))
    alike = m * n * (m + n) / 12.0
    lone, copies = (n, m) if part_y > part_x else (m, n)
    constant, start = (m * n) ** 2 / (4.0 * lone), NOISE_OF_SPREAD * alike
    weight = min(1.0, max(0.0, (total - start) / (constant - start))) if constant > start else 0.0
    return _Spread(math.sqrt(total / alike), freedom, weight * (copies - 1) / 2.0)


def _placements(values: FloatArray, others: FloatArray) -> FloatArray:
    """How many of the others lie below each value, ties as one half.

    Aligning leaves rounding errors where values were equal: what differs by less is a tie, so
    that the order of the two arms does not decide.
    """
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values - TIE, side="left")
    upto = np.searchsorted(ordered, values + TIE, side="right")
    placed: FloatArray = (below + upto) / 2.0
    return placed


def _median_difference(x: FloatArray, y: FloatArray) -> float:
    pairs = x.size * y.size
    return float(ordered_differences(x, y, [(pairs - 1) // 2, pairs // 2]).mean())


def _student(d: FloatArray, alpha: float) -> Bounds:
    half = float(stdtrit(d.size - 1, 1.0 - alpha / 2.0)) * float(d.std(ddof=1)) / math.sqrt(d.size)
    mean = float(d.mean())
    return mean - half, mean + half


def _bounds(found: FloatArray, center: float) -> Bounds:
    return min(float(found[0]), center), max(float(found[1]), center)


def _declined(wide: Bounds | None, alpha: float, have: str) -> tuple[str, ...]:
    return () if wide else (f"{have} cannot reach {100 * (1 - alpha):g} % confidence: no interval",)
