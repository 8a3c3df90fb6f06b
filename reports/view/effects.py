"""Ratios to the baseline and their intervals, as ``results.stats`` gives them, in words.

The one place where a report meets statistics: trial-level values, paired by block where blocks
have both arms.  With too few trials an interval is declined, never guessed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports import text
from reports.view.model import ArmView, Effect, Floor, Interval, Tone
from results.records.records import Run
from results.stats import Comparison, StatsError
from results.stats.compare import compare_at
from results.stats.intervals import Levels

CONFIDENCE = 0.95

MARGIN = 0.02
"""What counts as the same, where it can be shown: the ledger's margin for speed."""

NOISY = 1.1
"""An A/A floor above it leaves room for costs that anyone would care about."""

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
    levels: Levels | None = None,
) -> Effect:
    """``candidate`` against ``baseline``, turned so that above 1 is better.

    ``levels`` are those of a run that was looked at repeatedly (``levels_of``).
    """
    n = sum(len(values) for values in candidate.values())
    try:
        found = _compare(baseline, candidate, levels)
    except StatsError as error:
        note = _why_not(baseline, candidate) or text.clean(str(error), 120)
        return Effect(arm, n, None, None, None, (), note, "no ratio", "none", "")
    ratio, low, high = _turned(found, higher=higher)
    note = "" if low is not None else f"no interval from {_trials(found.n_units)}"
    reading, tone = _reading(arm, (low, high), found, floor, words)
    pairs = _pairs(baseline, candidate, higher=higher)
    return Effect(arm, n, ratio, low, high, pairs, note, reading, tone, found.method)


def floor_of(again: Effect | None) -> Floor | None:
    """The smallest effect that can be shown, from the A/A arm's effect; None without one."""
    if again is None or again.ratio is None:
        return None
    ends = (again.low, again.high) if again.low and again.high else again.pairs
    # No block may hold both, nor any pair be above zero: then the ratio itself is all there is.
    known = [end for end in ends if end] or [again.ratio]
    ratio = max(max(end, 1 / end) for end in known)
    return Floor(ratio, proven=again.low is not None, n=len(again.pairs))


def _compare(baseline: Blocks, candidate: Blocks, levels: Levels | None) -> Comparison:
    values = [
        [value for trials in arm.values() for value in trials] for arm in (baseline, candidate)
    ]
    ids = [
        [block for block, trials in arm.items() for _ in trials] for arm in (baseline, candidate)
    ]
    paired = not set(ids[0]).isdisjoint(ids[1])
    return compare_at(
        *values,
        margin=MARGIN,
        direction="higher",
        confidence=CONFIDENCE,
        blocks=(ids[0], ids[1]) if paired else None,
        levels=levels,
    )


def levels_of(run: Run) -> Levels | None:
    """Levels at which every comparison of a run with looks holds; None where it had none.

    The strictest of its looks: a workload may have ended at any of them.
    """
    if not run.looks:
        return None
    return Levels(
        min(look.difference for look in run.looks), min(look.equivalence for look in run.looks)
    )


def _turned(found: Comparison, *, higher: bool) -> tuple[float, float | None, float | None]:
    if higher:
        return found.ratio, found.low, found.high
    low = None if found.high is None else 1 / found.high
    high = None if found.low is None else 1 / found.low
    return 1 / found.ratio, low, high


def _why_not(baseline: Blocks, candidate: Blocks) -> str:
    if not any(candidate.values()):
        return "no valid trial"
    if not any(baseline.values()):
        return "no valid trial of the baseline"
    values = (v for arm in (baseline, candidate) for trials in arm.values() for v in trials)
    return "values of zero or less have no ratio" if any(value <= 0 for value in values) else ""


def _pairs(baseline: Blocks, candidate: Blocks, *, higher: bool) -> tuple[float, ...]:
    """The ratio of each block that has both arms, from their geometric means."""
    ratios = (
        statistics.geometric_mean(candidate[block]) / statistics.geometric_mean(baseline[block])
        for block in sorted(baseline.keys() & candidate.keys())
    )
    return tuple(ratio if higher else 1 / ratio for ratio in ratios)


def _reading(
    arm: ArmView,
    ends: tuple[float | None, float | None],
    found: Comparison,
    floor: Floor | None,
    words: Words,
) -> tuple[str, Tone]:
    if arm.again or arm.hollow:
        return ("sets the floor", "plain") if arm.again else (f"{arm.condition}: no claim", "none")
    low, high = ends
    if low is None or high is None:
        return "too few trials to say", "plain"
    limit = floor.ratio if floor else 1.0
    if high < 1 / limit or low > limit:
        return (words.worse, "cost") if high < 1 else (words.better, "gain")
    if found.verdict in {"equivalent", "negligible"} and floor and limit <= 1 / (1 - MARGIN):
        return f"the same within {text.percent(MARGIN)}", "same"
    if limit > NOISY:
        return "too noisy to say", "plain"
    return ("no difference shown" if low <= 1 <= high else "below what can be shown"), "same"


def _trials(n: int) -> str:
    return f"{n:,} trial".replace(",", "\N{NARROW NO-BREAK SPACE}") + ("s" if n != 1 else "")
