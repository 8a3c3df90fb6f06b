"""Ratios to the baseline and their intervals.

The one place where a report does statistics: trial-level values, paired by block.  The interval
of the median ratio is the exact one from order statistics (sign test), which assumes nothing of
the distribution; with too few pairs for the confidence asked, it is declined.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports import text
from reports.view.model import ArmView, Effect, Floor, Interval, Tone

CONFIDENCE = 0.95

Blocks = Mapping[int, Sequence[float]]
"""Trial-level values by block."""


def order_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Median of ``values`` (not empty) and its distribution-free interval.

    The k-th smallest and k-th largest value enclose the median with probability
    1 − 2·P(Binomial(n, ½) < k); David & Nagaraja, Order Statistics, 7.1.  The largest k that
    keeps ``confidence`` is taken; for 95 % the first n with one is 6.
    """
    ordered = sorted(values)
    n = len(ordered)
    median = statistics.median(ordered)
    tail, best = 0.0, 0
    for k in range(1, n // 2 + 1):
        tail += math.comb(n, k - 1) / 2**n
        if 1 - 2 * tail < confidence:
            break
        best = k
    if not best:
        return Interval(median, None, None, n)
    return Interval(median, ordered[best - 1], ordered[n - best], n)


@dataclass(frozen=True, slots=True)
class Words:
    """How worse and better are called."""

    worse: str
    better: str


SPEED = Words("slower", "faster")
WEIGHT = Words("heavier", "lighter")


def effect(
    arm: ArmView,
    baseline: Blocks,
    candidate: Blocks,
    *,
    higher: bool,
    floor: Floor | None,
    words: Words = SPEED,
) -> Effect:
    """``candidate`` against ``baseline``, turned so that above 1 is better."""
    n = sum(len(values) for values in candidate.values())
    pairs, note = _pairs(baseline, candidate, higher=higher)
    if not pairs:
        return Effect(arm, n, None, None, None, (), note, "no ratio", "none")
    inner = order_interval(pairs)
    if inner.low is None:
        note = f"interval declined: {_trials(len(pairs))}"
    reading, tone = _reading(arm, inner, floor, words)
    return Effect(arm, n, inner.value, inner.low, inner.high, tuple(pairs), note, reading, tone)


def floor_of(again: Effect | None) -> Floor | None:
    """The smallest effect that can be shown, from the A/A arm's effect; None without one."""
    if again is None or again.ratio is None:
        return None
    ends = (again.low, again.high) if again.low and again.high else again.pairs
    ratio = max(max(end, 1 / end) for end in ends if end)
    return Floor(ratio, proven=again.low is not None, n=len(again.pairs))


def _pairs(baseline: Blocks, candidate: Blocks, *, higher: bool) -> tuple[list[float], str]:
    if not any(candidate.values()):
        return [], "no valid trial"
    if not any(baseline.values()):
        return [], "no valid trial of the baseline"
    pairs = []
    for block in sorted(baseline.keys() & candidate.keys()):
        base, ours = statistics.median(baseline[block]), statistics.median(candidate[block])
        if base <= 0 or ours <= 0:
            return [], "values of zero or less have no ratio"
        ratio = ours / base if higher else base / ours
        if math.isfinite(ratio) and ratio > 0:
            pairs.append(ratio)
    return pairs, "" if pairs else "no block has both arms"


def _reading(arm: ArmView, inner: Interval, floor: Floor | None, words: Words) -> tuple[str, Tone]:
    if arm.again or arm.emulated:
        return ("sets the floor", "plain") if arm.again else ("emulated: no claim", "none")
    if inner.low is None or inner.high is None:
        return "too few trials to say", "plain"
    limit = floor.ratio if floor else 1.0
    if inner.high < 1 / limit:
        return words.worse, "cost"
    if inner.low > limit:
        return words.better, "gain"
    crosses = inner.low <= 1 <= inner.high
    return ("no difference shown" if crosses else "below what can be shown"), "same"


def _trials(n: int) -> str:
    return f"{text.number(n)} trial" + ("s" if n != 1 else "")
