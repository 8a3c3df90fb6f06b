"""Where the noise comes from, and how to spend repetitions.

Kalibera & Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013, §6, for n nested
levels (1 = iterations … n = the outermost), Y the values, bars for means, r_i the counts:

    S_i² = 1/(r_n … r_{i+1}) · 1/(r_i − 1) · Σ (mean at level i − mean one level up)²
    T_1² = S_1²,   T_i² = S_i² − S_{i−1}²/r_{i−1}        the unbiased component of level i
    r_i  = ⌈√( c_{i+1}/c_i · T_i²/T_{i+1}² )⌉            for costs c_i per repetition

The first printing has T_{i−1}² in place of S_{i−1}² in the second line; the authors'
revised version, followed here, corrects it (it matters from three levels on).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from results.stats.errors import StatsError
from results.stats.values import FloatArray, Trials, iteration_values

WORTHLESS = 1_000
"""Largest repetition count advised: a level above without variance would ask for infinity."""


@dataclass(frozen=True, slots=True)
class Components:
    """Variance by level, lowest (iterations) first, in the unit of the values squared."""

    mean: float
    s2: tuple[float, ...]
    t2: tuple[float, ...]
    """Unbiased components; a negative estimate stands as it is and means "none seen"."""
    repetitions: tuple[float, ...]
    """Values per unit of the level above, lowest first; for ragged data the effective mean."""

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each level in the total, negative components counted as none."""
        parts = [max(0.0, part) for part in self.t2]
        total = sum(parts)
        return tuple(part / total if total else 0.0 for part in parts)


def variance_components(data: Trials | npt.NDArray[np.float64]) -> Components:
    """Components by level.

    A numpy array of two or more dimensions is a balanced experiment, outermost level first.
    Anything else is read as iterations per trial, ragged permitted: then r_1 is replaced by
    r_0 = (N − Σ r_j²/N)/(k − 1), the unbalanced one-way estimator (Searle, Casella &
    McCulloch, "Variance Components", 1992, §3.6), which equals the above when balanced.
    """
    if isinstance(data, np.ndarray) and data.ndim > 2:
        return _balanced(data.astype(np.float64))
    trials = iteration_values(data, "data")
    if len(trials) < 2 or max(trial.size for trial in trials) < 2:
        raise StatsError(
            "components need two trials, and two iterations in one of them", argument="data"
        )
    return _one_way(trials)


def optimal_repetitions(components: Components, costs: Sequence[float]) -> tuple[int, ...]:
    """Repetitions per level below the outermost that give most precision for the cost.

    ``costs``, lowest level first: what one more repetition of that level costs by itself, in
    any common unit (an iteration; the start and stop of a trial; …).
    """
    if len(costs) != len(components.t2):
        raise StatsError(f"{len(costs)} costs for {len(components.t2)} levels", argument="costs")
    for place, cost in enumerate(costs):
        if not (math.isfinite(cost) and cost > 0.0):
            raise StatsError(f"{cost} is not a positive cost", argument="costs", index=(place,))
    counts = []
    for level in range(len(costs) - 1):
        below, above = components.t2[level], components.t2[level + 1]
        if below <= 0.0:
            counts.append(1)
        elif above <= 0.0:
            counts.append(WORTHLESS)
        else:
            wanted = math.sqrt(costs[level + 1] / costs[level] * below / above)
            counts.append(min(WORTHLESS, max(1, math.ceil(wanted))))
    return tuple(counts)


def _balanced(values: FloatArray) -> Components:
    if min(values.shape) < 2 or not np.isfinite(values).all():
        raise StatsError("every level needs two finite repetitions", argument="data")
    s2: list[float] = []
    means = values
    while means.ndim:
        upper = means.mean(axis=-1)
        squares = float(((means - upper[..., np.newaxis]) ** 2).sum())
        s2.append(squares / max(1, upper.size) / (means.shape[-1] - 1))
        means = upper
    repetitions = tuple(float(count) for count in reversed(values.shape))
    t2 = [s2[0], *(s2[i] - s2[i - 1] / repetitions[i - 1] for i in range(1, len(s2)))]
    return Components(float(means), tuple(s2), tuple(t2), repetitions)


def _one_way(trials: tuple[FloatArray, ...]) -> Components:
    counts = np.array([trial.size for trial in trials], dtype=np.float64)
    means = np.array([trial.mean() for trial in trials])
    total, groups = float(counts.sum()), len(trials)
    grand = float((counts * means).sum() / total)
    within = sum(float(((trial - trial.mean()) ** 2).sum()) for trial in trials)
    inner = within / (total - groups)
    effective = (total - float((counts**2).sum()) / total) / (groups - 1)
    outer = float((counts * (means - grand) ** 2).sum()) / (groups - 1) / effective
    return Components(
        grand, (inner, outer), (inner, outer - inner / effective), (effective, float(groups))
    )
