"""Quantiles with exact order-statistic intervals, or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtr

from results.stats.errors import StatsError
from results.stats.values import fraction, series


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of one sample, or the reason why there is none."""

    q: float
    value: float | None
    low: float | None
    high: float | None
    confidence: float
    n: int
    minimum: int
    """Values needed before it may be given."""
    reason: str = ""
    """Why it is refused; empty where it is given."""


def minimum_count(q: float, confidence: float = 0.95) -> int:
    """Fewest values whose range covers the q-quantile with ``confidence``.

    Smallest n with 1 − qⁿ − (1−q)ⁿ ≥ confidence: 6 for the median, 59 for p95, 299 for p99
    (Wilks 1941; David & Nagaraja, "Order Statistics", 3rd ed., §7.1).
    """
    q, confidence = fraction(q, "q"), fraction(confidence, "confidence")
    n = max(1, math.floor(math.log1p(-confidence) / math.log(max(q, 1.0 - q))))
    while 1.0 - q**n - (1.0 - q) ** n < confidence:
        n += 1
    return n


def quantile(values: Iterable[Any], q: float, *, confidence: float = 0.95) -> Quantile:
    """The q-quantile x(⌈nq⌉) with an exact interval [x(l), x(u)].

    P(l ≤ Bin(n, q) < u) ≥ confidence for any continuous distribution, and at least so for
    any other.  Of all such pairs the closest ranks are taken, then the best covered.
    Refused (value None, with the reason) below ``minimum_count``.
    """
    x = np.sort(series(values, "values"))
    if not x.size:
        raise StatsError("there are no values", argument="values")
    least = minimum_count(q, confidence)
    if x.size < least:
        reason = f"the {100 * q:g}th percentile needs {least} values; there are {x.size}"
        return Quantile(q, None, None, None, confidence, x.size, least, reason)
    rank = math.ceil(x.size * q * (1.0 - 1e-12))
    low, high = _ranks(x.size, q, confidence, rank)
    return Quantile(
        q, float(x[rank - 1]), float(x[low - 1]), float(x[high - 1]), confidence, x.size, least
    )


def _ranks(n: int, q: float, confidence: float, rank: int) -> tuple[int, int]:
    """Ranks (from 1) of the narrowest pair around ``rank`` that covers."""
    below = bdtr(np.arange(n + 1, dtype=np.float64), n, q)
    # Coverage of [x(l), x(u)] is P(B ≤ u − 1) − P(B ≤ l − 1).
    best: tuple[int, float, int, int] | None = None
    for low in range(1, rank + 1):
        wanted = float(below[low - 1]) + confidence
        high = max(rank, int(np.searchsorted(below, wanted * (1.0 - 1e-14))) + 1)
        if high > n:
            break
        candidate = (high - low, -float(below[high - 1] - below[low - 1]), low, high)
        best = candidate if best is None else min(best, candidate)
    if best is None:
        return 1, n
    return best[2], best[3]
