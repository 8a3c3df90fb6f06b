"""Exact rank distributions, and order statistics of pairwise sums and differences.

The two-sample interval inverts the Mann–Whitney test, the one-sample interval Wilcoxon's
signed-rank test (Hodges & Lehmann 1963; Lehmann, "Nonparametrics", 1975, §2.5 and §4.4;
Hollander, Wolfe & Chicken, "Nonparametric Statistical Methods", 3rd ed., §3.3 and §4.3):

    D(1) ≤ … ≤ D(mn)   ordered y_j − x_i:       interval [D(k+1), D(mn−k)]
    W(1) ≤ … ≤ W(N)    ordered (d_i + d_j)/2:   interval [W(k+1), W(N−k)],  N = n(n+1)/2

with k the largest integer whose null probability P(statistic ≤ k) is at most the tail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from results.stats.values import FloatArray

EXACT_PAIRS = 1_000
"""m·n up to which the Mann–Whitney distribution is counted; beyond, its normal limit."""
EXACT_SIGNED = 200
"""n up to which the signed-rank distribution is counted."""
DENSE_PAIRS = 1_000_000
"""Pairs held in memory at once (8 MB); beyond, order statistics are found by bisection."""


def mann_whitney_cutoff(m: int, n: int, tail: float) -> int:
    """Largest k with P(U ≤ k) ≤ tail when both samples are alike; −1 if there is none.

    Beyond EXACT_PAIRS the normal limit with continuity correction is used; U has lighter
    tails than the normal, so the cutoff errs to the wide side.
    """
    if m * n <= EXACT_PAIRS:
        return _cutoff(_mann_whitney_cdf(min(m, n), max(m, n)), tail)
    spread = math.sqrt(m * n * (m + n + 1) / 12.0)
    return max(-1, math.floor(m * n / 2.0 + float(ndtri(tail)) * spread - 0.5))


def signed_rank_cutoff(n: int, tail: float) -> int:
    """Largest k with P(T ≤ k) ≤ tail for n differences symmetric about 0; −1 if none."""
    if n <= EXACT_SIGNED:
        return _cutoff(_signed_rank_cdf(n), tail)
    spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24.0)
    return max(-1, math.floor(n * (n + 1) / 4.0 + float(ndtri(tail)) * spread - 0.5))


def _cutoff(cdf: FloatArray, tail: float) -> int:
    # The tolerance keeps 2/64 from missing 0.03125 by a rounding error.
    return int(np.searchsorted(cdf, tail * (1.0 + 1e-12), side="right")) - 1


@lru_cache(maxsize=512)
def _mann_whitney_cdf(small: int, large: int) -> FloatArray:
    """P(U ≤ u), u = 0…mn, by counting the subsets of ranks with each sum."""
    top = small * large
    counts = np.zeros((small + 1, top + 1))
    counts[0, 0] = 1.0
    for rank in range(1, small + large + 1):
        for chosen in range(min(small, rank), 0, -1):
            # As the chosen-th smallest of its sample it exceeds rank − chosen of the other.
            step = rank - chosen
            if step <= large:
                counts[chosen, step:] += counts[chosen - 1, : top + 1 - step]
    total = np.cumsum(counts[small])
    cdf: FloatArray = total / total[-1]
    return cdf


@lru_cache(maxsize=512)
def _signed_rank_cdf(n: int) -> FloatArray:
    """P(T ≤ t), t = 0…n(n+1)/2: each rank is in the sum with probability one half."""
    probability = np.zeros(n * (n + 1) // 2 + 1)
    probability[0] = 1.0
    for rank in range(1, n + 1):
        shifted = np.zeros_like(probability)
        shifted[rank:] = probability[:-rank]
        probability = 0.5 * (probability + shifted)
    total: FloatArray = np.cumsum(probability)
    return total


def ordered_differences(x: FloatArray, y: FloatArray, places: Sequence[int]) -> FloatArray:
    """The places-th smallest (from 0) of all y_j − x_i."""
    pairs = x.size * y.size
    if pairs <= DENSE_PAIRS:
        return _pick(np.subtract.outer(y, x).ravel(), places)
    xs, ys = np.sort(x), np.sort(y)

    def count(limit: float) -> int:
        # y − x ≤ limit where x ≥ y − limit.
        return ys.size * xs.size - int(np.searchsorted(xs, ys - limit, side="left").sum())

    low, high = float(ys[0] - xs[-1]), float(ys[-1] - xs[0])
    return np.array([_bisect(count, low, high, place) for place in places])


def ordered_walsh(d: FloatArray, places: Sequence[int]) -> FloatArray:
    """The places-th smallest (from 0) of all (d_i + d_j)/2 with i ≤ j."""
    if d.size * (d.size + 1) // 2 <= DENSE_PAIRS:
        upper = np.triu_indices(d.size)
        return _pick((d[upper[0]] + d[upper[1]]) / 2.0, places)
    ordered = np.sort(d)

    def count(limit: float) -> int:
        both = int(np.searchsorted(ordered, 2.0 * limit - ordered, side="right").sum())
        return (both + int(np.searchsorted(ordered, limit, side="right"))) // 2

    return np.array(
        [_bisect(count, float(ordered[0]), float(ordered[-1]), place) for place in places]
    )


def _pick(values: FloatArray, places: Sequence[int]) -> FloatArray:
    chosen: FloatArray = np.partition(values, sorted(set(places)))[list(places)]
    return chosen


def _bisect(count: Callable[[float], int], low: float, high: float, place: int) -> float:
    """Smallest value with more than ``place`` entries at or below it."""
    if count(low) > place:
        return low
    for _ in range(200):
        middle = low + (high - low) / 2.0
        if middle in (low, high):
            break
        if count(middle) > place:
            high = middle
        else:
            low = middle
    return high
