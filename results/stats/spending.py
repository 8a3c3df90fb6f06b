"""Error spending: how much of alpha each look at growing data may use.

Lan & DeMets, "Discrete Sequential Boundaries for Clinical Trials", Biometrika 70 (1983);
Jennison & Turnbull, "Group Sequential Methods", 2000, §7.2 (spending), §19.2 (recursion).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from results.stats.values import FloatArray

GRID = 401
"""Points across the continuation region: boundaries are good to about 1e-4."""


def spent(alpha: float, information: float) -> float:
    """Error spent up to an information fraction in [0, 1]: alpha ln(1 + (e − 1) t).

    The Pocock-type function: it spends early, so that big effects stop after few blocks,
    where the O'Brien–Fleming type would wait for half of the maximum.
    """
    return alpha * math.log1p((math.e - 1.0) * min(1.0, information))


@lru_cache(maxsize=256)
def nominal_levels(looks: tuple[int, ...], spends: tuple[float, ...]) -> tuple[float, ...]:
    """Two-sided nominal p-value per look that spends exactly ``spends[k]`` at look k.

    Between looks the statistic is a Brownian motion observed at information ``looks[k]``;
    its density on the region where no look has stopped is carried from look to look by
    numerical convolution.  A p-value at or below the nominal level stops (the significance
    level approach, Jennison & Turnbull §4.4, which serves tests that are not normal).
    """
    levels = []
    grid, mass = np.zeros(1), np.ones(1)
    before = 0
    for look, spend in zip(looks, spends, strict=True):
        step = math.sqrt(look - before)
        bound = _bound(grid, mass, step, spend, math.sqrt(look))
        levels.append(2.0 * float(ndtr(-bound / math.sqrt(look))))
        grid, mass = _carried(grid, mass, step, bound)
        before = look
    return tuple(levels)


def _bound(grid: FloatArray, mass: FloatArray, step: float, spend: float, root: float) -> float:
    """The bound b with P(|S| ≥ b and not stopped before) = spend."""

    def excess(bound: float) -> float:
        tails = ndtr((grid - bound) / step) + ndtr((-bound - grid) / step)
        return float(mass @ tails) - spend

    ceiling = root * 40.0
    if spend <= 0.0 or excess(ceiling) >= 0.0:
        return ceiling
    if excess(0.0) <= 0.0:
        return 0.0
    low, high = 0.0, ceiling
    while high - low > 1e-14 * ceiling:
        middle = (low + high) / 2.0
        low, high = (middle, high) if excess(middle) > 0.0 else (low, middle)
    return high


def _carried(
    grid: FloatArray, mass: FloatArray, step: float, bound: float
) -> tuple[FloatArray, FloatArray]:
    """Mass on a fresh grid inside (−bound, bound) after one more step, by Simpson's rule."""
    fresh = np.linspace(-bound, bound, GRID)
    weights = np.full(GRID, 2.0)
    weights[1::2] = 4.0
    weights[0] = weights[-1] = 1.0
    distance = (fresh[:, np.newaxis] - grid[np.newaxis, :]) / step
    density = np.exp(-0.5 * distance**2) @ mass / (step * math.sqrt(2.0 * math.pi))
    carried: FloatArray = density * weights * (2.0 * bound / (GRID - 1) / 3.0)
    return fresh, carried
