"""Hodges–Lehmann shift: the difference in the metric's own unit."""

from __future__ import annotations

from dataclasses import dataclass

from results.stats.intervals import Levels, unpaired
from results.stats.values import Trials, fraction, trial_values


@dataclass(frozen=True, slots=True)
class Shift:
    """Candidate − baseline, in the unit of the values."""

    shift: float
    low: float | None
    high: float | None
    confidence: float
    n_baseline: int
    n_candidate: int
    method: str
    warnings: tuple[str, ...]


def shift(baseline: Trials, candidate: Trials, *, confidence: float = 0.95) -> Shift:
    """Median of all pairwise differences, with the Mann–Whitney interval of ``intervals``.

    Hodges & Lehmann (1963); exact where the arms differ by a shift only.
    """
    confidence = fraction(confidence, "confidence")
    x, y = trial_values(baseline, "baseline"), trial_values(candidate, "candidate")
    found = unpaired(x, y, Levels.of(confidence))
    low, high = found.wide or (None, None)
    return Shift(
        found.center,
        low,
        high,
        confidence,
        x.size,
        y.size,
        "Hodges–Lehmann shift, Mann–Whitney interval",
        found.warnings,
    )
