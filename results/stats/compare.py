"""Candidate against baseline: the ratio, its intervals and what they decide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from results.stats.errors import StatsError
from results.stats.independence import dependence_warning
from results.stats.intervals import Bounds, Levels, LogInterval, paired, unpairable, unpaired
from results.stats.pairing import Blocks, pair_values
from results.stats.values import FloatArray, Trials, fraction, trial_values

Verdict = Literal["equivalent", "different", "negligible", "inconclusive"]
Direction = Literal["higher", "lower"]
Outcome = Literal["better", "worse", "same", "unknown"]

ROUNDING = 1e-12
"""Log ratios this close to a limit are on it: logs of equal values differ by rounding."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What ``compare`` found.  Ratios are candidate/baseline, never NaN."""

    ratio: float
    low: float | None
    high: float | None
    """Ends of the interval at ``confidence``; None where declined."""
    equivalence_low: float | None
    equivalence_high: float | None
    """Ends of the 1 − 2·alpha interval (90 % for 95 %); each is a one-sided bound at 1 − alpha."""
    verdict: Verdict
    n_baseline: int
    n_candidate: int
    """Trials used; those left out for want of a pair are told in ``warnings``."""
    method: str
    warnings: tuple[str, ...]
    margin: float
    direction: Direction
    confidence: float
    n_units: int
    """What the interval counts: blocks when paired, else the smaller arm's trials."""

    @property
    def settled(self) -> bool:
        """Whether more trials could only sharpen, not decide."""
        return self.verdict != "inconclusive"

    @property
    def worse_by(self) -> float:
        """Relative loss: 0.05 is "5 % less" or "takes 5 % more"; negative is a gain."""
        return self._loss(self.ratio)

    @property
    def worse_by_at_least(self) -> float | None:
        """Lower one-sided bound of ``worse_by`` at 1 − alpha; None where declined."""
        bound = self.equivalence_high if self.direction == "higher" else self.equivalence_low
        return None if bound is None else self._loss(bound)

    @property
    def worse_by_at_most(self) -> float | None:
        """Upper one-sided bound of ``worse_by`` at 1 − alpha; None where declined."""
        bound = self.equivalence_low if self.direction == "higher" else self.equivalence_high
        return None if bound is None else self._loss(bound)

    @property
    def outcome(self) -> Outcome:
        """The verdict as a word about the candidate; ``unknown`` while inconclusive."""
        if self.verdict == "inconclusive":
            return "unknown"
        if self.verdict == "equivalent":
            return "same"
        return "worse" if self.worse_by > 0 else "better"

    def _loss(self, ratio: float) -> float:
        return 1.0 - ratio if self.direction == "higher" else ratio - 1.0


def compare(
    baseline: Trials,
    candidate: Trials,
    *,
    margin: float,
    direction: Direction = "higher",
    confidence: float = 0.95,
    blocks: Blocks | None = None,
) -> Comparison:
    """Judge candidate/baseline from trial-level values (or iterations per trial).

    ``margin`` in (0, 1): equivalent means that the 90 % interval lies inside
    [1 − margin, 1/(1 − margin)].  ``direction`` says whether higher values are better; it
    changes the words, never the ratio.  ``blocks`` is one sequence of block ids for both
    arms or a pair of sequences; only blocks with both arms count.

    The target is the typical ratio (see ``intervals``); the verdict follows ``judge``.
    Raises StatsError for input that no figure can come from.
    """
    return compare_at(
        baseline,
        candidate,
        margin=margin,
        direction=direction,
        confidence=confidence,
        blocks=blocks,
        levels=None,
    )


def compare_at(
    baseline: Trials,
    candidate: Trials,
    *,
    margin: float,
    direction: Direction,
    confidence: float,
    blocks: Blocks | None,
    levels: Levels | None,
) -> Comparison:
    """As ``compare``; ``levels`` replaces the error probabilities (repeated looks)."""
    margin, confidence = fraction(margin, "margin"), fraction(confidence, "confidence")
    if direction not in ("higher", "lower"):
        raise StatsError(f"{direction!r:.40} is neither higher nor lower", argument="direction")
    levels = levels or Levels.of(confidence)
    x = np.log(trial_values(baseline, "baseline"))
    y = np.log(trial_values(candidate, "candidate"))
    found, counts, warnings = _estimate(x, y, blocks, levels)
    return Comparison(
        ratio=math.exp(found.center),
        low=_end(found.wide, 0),
        high=_end(found.wide, 1),
        equivalence_low=_end(found.narrow, 0),
        equivalence_high=_end(found.narrow, 1),
        verdict=judge(found, margin),
        n_baseline=counts[0],
        n_candidate=counts[1],
        method=found.method,
        warnings=(*found.warnings, *warnings),
        margin=margin,
        direction=direction,
        confidence=confidence,
        n_units=counts[2],
    )


def _estimate(
    x: FloatArray, y: FloatArray, blocks: Blocks | None, levels: Levels
) -> tuple[LogInterval, tuple[int, int, int], list[str]]:
    """The interval; trials used of either arm and units; and what to warn about."""
    warnings = _constant(x, "baseline") + _constant(y, "candidate")
    if blocks is None:
        warnings += dependence_warning(x, "baseline") + dependence_warning(y, "candidate")
        return unpaired(x, y, levels), (x.size, y.size, min(x.size, y.size)), warnings
    pairs = pair_values(x, y, blocks)
    ratios = pairs.candidate - pairs.baseline
    found = paired(ratios, levels) if ratios.size else unpairable(x, y)
    warnings += [*pairs.warnings, *dependence_warning(ratios, "ratio of blocks")]
    return found, (pairs.n_baseline, pairs.n_candidate, ratios.size), warnings


def _constant(values: FloatArray, name: str) -> list[str]:
    if values.size < 2 or np.ptp(values) > ROUNDING:
        return []
    meaning = "they show the resolution of the measurement, not its noise"
    return [f"all {values.size} {name} values are identical: {meaning}"]


def judge(found: LogInterval, margin: float) -> Verdict:
    """The verdict from two nested intervals of a log ratio.

    ============  ==========================  =====================
    verdict       95 % interval               90 % interval
    ============  ==========================  =====================
    different     excludes 1                  not inside the margin
    negligible    excludes 1                  inside the margin
    equivalent    holds 1                     inside the margin
    inconclusive  anything else, or declined
    ============  ==========================  =====================
    """
    limit = -math.log1p(-margin) + ROUNDING
    inside = found.narrow is not None and -limit <= found.narrow[0] and found.narrow[1] <= limit
    apart = found.wide is not None and (found.wide[0] > ROUNDING or found.wide[1] < -ROUNDING)
    if apart:
        return "negligible" if inside else "different"
    return "equivalent" if inside and found.wide is not None else "inconclusive"


def _end(bounds: Bounds | None, side: int) -> float | None:
    return None if bounds is None else math.exp(bounds[side])
