"""Are successive values independent?  Intervals that assume so are else too narrow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from results.stats.values import FloatArray

MINIMUM_CHECK = 10
"""Fewer values say nothing about dependence."""
SUSPICION = 0.01
"""p-value below which a comparison warns; two arms and two tests keep false alarms rare."""


@dataclass(frozen=True, slots=True)
class Independence:
    """Two tests of "in random order"; None where there are too few or constant values."""

    n: int
    lag1: float | None
    """Lag-1 autocorrelation r₁ (Box, Jenkins & Reinsel, §2.1.5)."""
    lag1_p: float | None
    """Two-sided, from r₁ ~ N(−1/n, (n−2)²/(n²(n−1))) (Moran 1948; Dufour & Roy 1985)."""
    turning_points: int | None
    turning_p: float | None
    """Two-sided, from N(2(n−2)/3, (16n−29)/90) (Bienaymé 1874; Kendall & Stuart, §45.18)."""

    @property
    def suspicious(self) -> bool:
        """Whether either test rejects at ``SUSPICION``."""
        return any(p is not None and p < SUSPICION for p in (self.lag1_p, self.turning_p))


def independence(x: FloatArray) -> Independence:
    """Check values in the order in which they were measured."""
    n = x.size
    if n < MINIMUM_CHECK or not np.ptp(x):
        return Independence(n, None, None, None, None)
    centred = x - x.mean()
    lag1 = float(centred[1:] @ centred[:-1] / (centred @ centred))
    spread = (n - 2) / (n * math.sqrt(n - 1))
    lag1_p = 2.0 * float(ndtr(-abs(lag1 + 1.0 / n) / spread))
    steps = np.diff(x)
    if not steps.all():
        # With ties the null distribution of turning points does not hold.
        return Independence(n, lag1, lag1_p, None, None)
    points = int(np.count_nonzero(np.sign(steps[1:]) != np.sign(steps[:-1])))
    distance = (points - 2.0 * (n - 2) / 3.0) / math.sqrt((16 * n - 29) / 90.0)
    return Independence(n, lag1, lag1_p, points, 2.0 * float(ndtr(-abs(distance))))


def dependence_warning(x: FloatArray, name: str) -> list[str]:
    """A warning for a comparison, or nothing."""
    found = independence(x)
    if not found.suspicious:
        return []
    correlation = f"lag-1 autocorrelation {found.lag1:.2f}"
    return [
        f"{name}: successive values look dependent ({correlation}): the interval may be too narrow"
    ]
