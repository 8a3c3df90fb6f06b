"""Two one-sided tests of equivalence, as p-values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from results.stats.errors import StatsError
from results.stats.values import Trials, fraction, trial_values


@dataclass(frozen=True, slots=True)
class Tost:
    """How well the data refute that the ratio of geometric means is outside the margin."""

    p: float
    """The larger of the two: equivalent at alpha where it is at most alpha."""
    p_above_low: float
    """Of "ratio ≤ 1 − margin"."""
    p_below_high: float
    """Of "ratio ≥ 1/(1 − margin)"."""
    freedom: float


def tost(baseline: Trials, candidate: Trials, *, margin: float) -> Tost:
    """Schuirmann (1987) on log values, with Welch's variance and degrees of freedom.

    It states the textbook test beside ``compare``, whose verdicts rest on ranks; it needs
    two trials per arm and some spread.
    """
    margin = fraction(margin, "margin")
    x = np.log(trial_values(baseline, "baseline"))
    y = np.log(trial_values(candidate, "candidate"))
    for values, name in ((x, "baseline"), (y, "candidate")):
        if values.size < 2:
            raise StatsError("the test needs two trials", argument=name)
    part_x, part_y = float(x.var(ddof=1)) / x.size, float(y.var(ddof=1)) / y.size
    error = math.sqrt(part_x + part_y)
    if error <= 0.0:
        raise StatsError("neither arm varies: there is no test", argument="baseline")
    shares = (part_x / error**2, part_y / error**2)
    freedom = 1.0 / (shares[0] ** 2 / (x.size - 1) + shares[1] ** 2 / (y.size - 1))
    limit = -math.log1p(-margin)
    difference = float(y.mean() - x.mean())
    above = float(stdtr(freedom, -(difference + limit) / error))
    below = float(stdtr(freedom, (difference - limit) / error))
    return Tost(max(above, below), above, below, freedom)
