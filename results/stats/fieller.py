"""Ratio of means by Fieller's theorem."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from results.stats.errors import StatsError
from results.stats.pairing import Blocks, pair_values
from results.stats.values import FloatArray, Trials, fraction, trial_values


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """A ratio candidate/baseline with its interval."""

    ratio: float
    low: float | None
    high: float | None
    """None: no limit on that side, or declined; ``warnings`` say which."""
    confidence: float
    n_baseline: int
    n_candidate: int
    method: str
    warnings: tuple[str, ...] = ()
    bounded: bool = True
    """False where the data allow no finite interval at all."""


@dataclass(frozen=True, slots=True)
class _Moments:
    """Means, and the variances and covariance of the means."""

    mean_x: float
    mean_y: float
    var_x: float
    var_y: float
    cov: float
    freedom: float


def ratio_of_means(
    baseline: Trials, candidate: Trials, *, confidence: float = 0.95, blocks: Blocks | None = None
) -> RatioInterval:
    """Mean of the candidate ÷ mean of the baseline, by Fieller (1954).

    The interval is {θ : (ȳ − θx̄)² ≤ t² (v_y − 2θ c + θ² v_x)} with v the variances of the
    means, c their covariance (0 unless paired) and t Student's quantile; Welch–Satterthwaite
    degrees of freedom at θ = ȳ/x̄, or blocks − 1 when paired.  It is an interval only if the
    baseline's mean is itself clear of zero (t² v_x < x̄²); otherwise it is unbounded, which
    ``bounded`` and ``warnings`` tell.  Raises StatsError as ``trial_values``.
    """
    confidence = fraction(confidence, "confidence")
    x, y = trial_values(baseline, "baseline"), trial_values(candidate, "candidate")
    warnings: tuple[str, ...] = ()
    method = "ratio of means, Fieller"
    if blocks is not None:
        pairs = pair_values(x, y, blocks)
        if not pairs.baseline.size:
            raise StatsError("no block holds both arms", argument="blocks")
        x, y, warnings = pairs.baseline, pairs.candidate, pairs.warnings
        method += ", paired by block"
    ratio = float(y.mean() / x.mean())
    n_x, n_y = x.size, y.size
    if min(n_x, n_y) < 2:
        few = (*warnings, "a single trial or block has no spread: no interval")
        return RatioInterval(ratio, None, None, confidence, n_x, n_y, method, few)
    moments = _moments(x, y, paired=blocks is not None)
    low, high, bounded = _solve(moments, confidence)
    if not bounded:
        unbounded = "the baseline's mean is too uncertain to divide by: the interval is unbounded"
        warnings = (*warnings, unbounded)
    return RatioInterval(ratio, low, high, confidence, n_x, n_y, method, warnings, bounded)


def _moments(x: FloatArray, y: FloatArray, *, paired: bool) -> _Moments:
    mean_x, mean_y = float(x.mean()), float(y.mean())
    var_x, var_y = float(x.var(ddof=1)) / x.size, float(y.var(ddof=1)) / y.size
    if paired:
        cov = float(np.dot(x - mean_x, y - mean_y)) / (x.size - 1) / x.size
        return _Moments(mean_x, mean_y, var_x, var_y, cov, x.size - 1.0)
    theta = mean_y / mean_x
    parts = (theta * theta * var_x, var_y)
    total = sum(parts)
    if total == 0.0:
        return _Moments(mean_x, mean_y, 0.0, 0.0, 0.0, x.size + y.size - 2.0)
    shares = (parts[0] / total, parts[1] / total)
    freedom = 1.0 / (shares[0] ** 2 / (x.size - 1) + shares[1] ** 2 / (y.size - 1))
    return _Moments(mean_x, mean_y, var_x, var_y, 0.0, freedom)


def _solve(m: _Moments, confidence: float) -> tuple[float | None, float | None, bool]:
    """Solve a θ² − 2 b θ + c ≤ 0 for θ ≥ 0: both means are positive."""
    t2 = float(stdtrit(m.freedom, 0.5 + confidence / 2.0)) ** 2
    # In units of the means, so that no square leaves the range of a float.
    a = 1.0 - t2 * m.var_x / m.mean_x**2
    b = 1.0 - t2 * m.cov / (m.mean_x * m.mean_y)
    c = 1.0 - t2 * m.var_y / m.mean_y**2
    scale = m.mean_y / m.mean_x
    root = math.sqrt(max(0.0, b * b - a * c))
    if a > 0.0:
        low, high = (b - root) / a, (b + root) / a
        return max(0.0, low) * scale, high * scale, True
    if b * b - a * c <= 0.0 or c <= 0.0:
        return None, None, False
    # a < 0 < c: one root on either side of zero; every θ above the positive one is in the set.
    lower = c / (b + root) if b + root > 0.0 else None
    return None if lower is None else lower * scale, None, False
