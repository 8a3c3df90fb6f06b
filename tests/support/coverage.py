"""Coverage, measured: what the intervals of ``compare`` do on data whose truth is known.

Every figure in docs/statistics.md comes from here.  Arms are of one shape unless the family
says otherwise: candidate = ratio · (an independent draw like the baseline).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from results.stats.compare import Comparison, compare
from results.stats.values import FloatArray

Design = Literal["unpaired", "blocks", "one after the other"]
Draw = Callable[[np.random.Generator, int], FloatArray]

SIZES = (5, 10, 20, 50)
MARGIN = 0.05
DRIFT = 0.20
"""Rise of the drifting family from the first trial to the last."""
SEED = 20130620


def normal(rng: np.random.Generator, n: int) -> FloatArray:
    """A quiet machine: coefficient of variation 3 %."""
    return 1.0 + 0.03 * rng.standard_normal(n)


def lognormal(rng: np.random.Generator, n: int) -> FloatArray:
    """Skewed: sigma 0.5 of the logarithm, the mean 13 % above the median."""
    return np.exp(0.5 * rng.standard_normal(n))


def bimodal(rng: np.random.Generator, n: int) -> FloatArray:
    """Two modes 30 % apart, the upper one in three trials of ten."""
    mode = np.where(rng.random(n) < 0.3, 1.3, 1.0)
    return mode * (1.0 + 0.01 * rng.standard_normal(n))


def heavy_tailed(rng: np.random.Generator, n: int) -> FloatArray:
    """Log values of Student's t with 2 degrees of freedom: no finite variance."""
    return np.exp(0.03 * rng.standard_t(2, n))


def pareto(rng: np.random.Generator, n: int) -> FloatArray:
    """Pareto with shape 1.5: skewed, a mean but no variance."""
    return 1.0 + rng.pareto(1.5, n)


def noisier(rng: np.random.Generator, n: int) -> FloatArray:
    """Five times the spread of ``normal``, the same centre."""
    return 1.0 + 0.15 * np.clip(rng.standard_normal(n), -6.0, 6.0)


FAMILIES: Mapping[str, tuple[Draw, Draw]] = {
    "normal": (normal, normal),
    "lognormal": (lognormal, lognormal),
    "bimodal": (bimodal, bimodal),
    "heavy-tailed": (heavy_tailed, heavy_tailed),
    "pareto": (pareto, pareto),
    "unequal spread": (normal, noisier),
}
"""Baseline and candidate of each family that does not drift."""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One cell of the table; rates are shares of all replications."""

    family: str
    design: Design
    n: int
    replications: int
    covered: float
    """95 % interval holds the true ratio, or was declined."""
    declined: float
    false_different: float
    """Verdict ``different`` or ``negligible`` where the true ratio is 1."""
    false_equivalent: float
    """Verdict ``equivalent`` or ``negligible`` where the true ratio is 1 − margin."""
    width: float
    """Median of high/low − 1."""


def coverage_table(
    replications: int,
    *,
    families: Sequence[str] = tuple(FAMILIES),
    sizes: Sequence[int] = SIZES,
    seed: int = SEED,
) -> tuple[CoverageRow, ...]:
    """Every family and size, unpaired and by blocks, and the drifting one in both orders."""
    rows = []
    for family in families:
        first, second = FAMILIES[family]
        for n in sizes:
            rng = np.random.default_rng([seed, n, sorted(FAMILIES).index(family)])
            pairs = [(first(rng, n), second(rng, n)) for _ in range(replications)]
            rows += [_row(family, design, pairs) for design in ("unpaired", "blocks")]
    return tuple(rows)


def drift_table(
    replications: int, *, sizes: Sequence[int] = SIZES, seed: int = SEED
) -> tuple[CoverageRow, ...]:
    """A machine that slows steadily: random blocks, against one arm after the other."""
    rows = []
    for n in sizes:
        rng = np.random.default_rng([seed, n])
        rows.append(_row("drifting", "blocks", [_drifting(rng, n) for _ in range(replications)]))
        apart = [_drifting(rng, n, interleaved=False) for _ in range(replications)]
        rows.append(_row("drifting", "one after the other", apart))
    return tuple(rows)


def _drifting(
    rng: np.random.Generator, n: int, *, interleaved: bool = True
) -> tuple[FloatArray, FloatArray]:
    trend = 1.0 + DRIFT * np.arange(2 * n) / (2 * n - 1)
    values = trend * normal(rng, 2 * n)
    if not interleaved:
        return values[:n], values[n:]
    slots = values.reshape(n, 2)
    swapped = rng.random(n) < 0.5
    slots[swapped] = slots[swapped, ::-1]
    return slots[:, 0], slots[:, 1]


def _row(
    family: str, design: Design, pairs: Sequence[tuple[FloatArray, FloatArray]]
) -> CoverageRow:
    blocks = range(pairs[0][0].size) if design == "blocks" else None

    def judged(ratio: float) -> list[Comparison]:
        return [compare(x, ratio * y, margin=MARGIN, blocks=blocks) for x, y in pairs]

    alike, apart = judged(1.0), judged(1.0 - MARGIN)
    bounds = [(found.low, found.high) for found in alike]
    widths = [high / low - 1.0 for low, high in bounds if low is not None and high is not None]
    count = len(pairs)
    return CoverageRow(
        family=family,
        design=design,
        n=pairs[0][0].size,
        replications=count,
        covered=sum(lo is None or hi is None or lo <= 1.0 <= hi for lo, hi in bounds) / count,
        declined=1.0 - len(widths) / count,
        false_different=sum(c.verdict in ("different", "negligible") for c in alike) / count,
        false_equivalent=sum(c.verdict in ("equivalent", "negligible") for c in apart) / count,
        width=float(np.median(widths)) if widths else float("inf"),
    )
