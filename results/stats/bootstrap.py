"""Ratio of medians by a hierarchical bootstrap."""

from __future__ import annotations

import numpy as np

from results.stats.fieller import RatioInterval
from results.stats.intervals import MINIMUM_TRIALS
from results.stats.pairing import Blocks, shared_blocks
from results.stats.values import FloatArray, IntArray, Trials, fraction, iteration_values

SEED = 20130620
"""Fixed, so that the same data give the same interval; any other may be passed."""
RESAMPLES = 2_000
CELLS = 2_000_000
"""Values drawn at once: bounds the memory to some tens of megabytes."""


def ratio_of_medians(
    baseline: Trials,
    candidate: Trials,
    *,
    confidence: float = 0.95,
    blocks: Blocks | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> RatioInterval:
    """Median over trials of the median over iterations, candidate ÷ baseline.

    Each resample draws trials with replacement and then, inside every drawn trial, its
    iterations with replacement (Davison & Hinkley 1997, §3.8; Kalibera & Jones 2013, §9.3,
    for means).  With ``blocks`` whole blocks are drawn, the same for both arms.  Percentile
    interval with Efron's order statistics (⌊(B+1) alpha/2⌋), widened to whole ranks.
    """
    confidence = fraction(confidence, "confidence")
    x = iteration_values(baseline, "baseline")
    y = iteration_values(candidate, "candidate")
    rng = np.random.default_rng(seed)
    warnings: tuple[str, ...] = ()
    method = f"ratio of medians, hierarchical bootstrap ({resamples} resamples, seed {seed})"
    ratio = _median_of_medians(y) / _median_of_medians(x)
    if blocks is None:
        units = min(len(x), len(y))
        drawn = None
    else:
        in_x, in_y, warnings = shared_blocks(len(x), len(y), blocks)
        units, method = len(in_x), method + ", paired by block"
        drawn = (in_x, in_y)
    if units < MINIMUM_TRIALS:
        few = (*warnings, f"fewer than {MINIMUM_TRIALS} trials or blocks: no interval")
        return RatioInterval(ratio, None, None, confidence, len(x), len(y), method, few)
    if drawn is None:
        of_x = _resampled(x, rng.integers(0, len(x), (resamples, len(x))), rng)
        of_y = _resampled(y, rng.integers(0, len(y), (resamples, len(y))), rng)
    else:
        chosen = rng.integers(0, units, (resamples, units))
        of_x, of_y = _resampled(x, drawn[0][chosen], rng), _resampled(y, drawn[1][chosen], rng)
    ratios = np.sort(of_y / of_x)
    edge = max(0, int((resamples + 1) * (1.0 - confidence) / 2.0) - 1)
    low, high = float(ratios[edge]), float(ratios[resamples - 1 - edge])
    return RatioInterval(
        ratio, min(low, ratio), max(high, ratio), confidence, len(x), len(y), method, warnings
    )


def _median_of_medians(trials: tuple[FloatArray, ...]) -> float:
    return float(np.median([np.median(trial) for trial in trials]))


def _resampled(
    trials: tuple[FloatArray, ...], chosen: IntArray, rng: np.random.Generator
) -> FloatArray:
    """One median of medians per row of chosen trials."""
    lengths = np.array([trial.size for trial in trials])
    if lengths.max() == 1:
        single: FloatArray = np.median(np.concatenate(trials)[chosen], axis=1)
        return single
    result = np.empty(chosen.shape[0])
    rows = max(1, CELLS // (chosen.shape[1] * int(lengths.max())))
    for start in range(0, chosen.shape[0], rows):
        part = chosen[start : start + rows]
        result[start : start + rows] = np.median(_trial_medians(trials, part, rng), axis=1)
    return result


def _trial_medians(
    trials: tuple[FloatArray, ...], chosen: IntArray, rng: np.random.Generator
) -> FloatArray:
    """Median of a fresh draw of iterations for every chosen trial."""
    medians = np.empty(chosen.shape)
    for place, trial in enumerate(trials):
        where = np.nonzero(chosen == place)
        if not where[0].size:
            continue
        draws = rng.integers(0, trial.size, (where[0].size, trial.size))
        medians[where] = np.median(trial[draws], axis=1)
    return medians
