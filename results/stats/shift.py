"""Hodges–Lehmann shift: the difference in the metric's own unit."""

from __future__ import annotations

from dataclasses import dataclass

from results.stats.errors import StatsError
from results.stats.intervals import Levels, paired, unpaired
from results.stats.pairing import Blocks, pair_values
from results.stats.values import FloatArray, Trials, fraction, trial_values


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


def shift(
    baseline: Trials,
    candidate: Trials,
    *,
    confidence: float = 0.95,
    blocks: Blocks | None = None,
) -> Shift:
    """Median of all pairwise differences, with the Mann–Whitney interval of ``intervals``.

    Hodges & Lehmann (1963); exact where the arms differ by a shift only.  With ``blocks`` (see
    ``compare``) the pseudo-median of the differences within blocks, with the signed-rank
    interval: what drifts from block to block is then in neither.
    """
    confidence = fraction(confidence, "confidence")
    x, y = trial_values(baseline, "baseline"), trial_values(candidate, "candidate")
    if blocks is not None:
        return _within_blocks(x, y, blocks, confidence)
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


def _within_blocks(x: FloatArray, y: FloatArray, blocks: Blocks, confidence: float) -> Shift:
    pairs = pair_values(x, y, blocks)
    if not pairs.baseline.size:
        raise StatsError("no block holds both arms", argument="blocks")
    found = paired(pairs.candidate - pairs.baseline, Levels.of(confidence))
    low, high = found.wide or (None, None)
    return Shift(
        found.center,
        low,
        high,
        confidence,
        pairs.n_baseline,
        pairs.n_candidate,
        "paired by block, pseudo-median of differences, signed-rank interval",
        (*pairs.warnings, *found.warnings),
    )
