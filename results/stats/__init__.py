"""Statistics on plain numbers: pure functions, documented with formula and source.

``compare`` judges; the rest explains, plans and checks.  docs/statistics.md has the
formulas in one place, and what the intervals were measured to do.
"""

from __future__ import annotations

from results.stats.bootstrap import ratio_of_medians
from results.stats.compare import Comparison, Direction, Verdict, compare
from results.stats.errors import StatsError
from results.stats.fieller import RatioInterval, ratio_of_means
from results.stats.independence import Independence, independence
from results.stats.power import Floor, TrialsNeeded, above_floor, floor, trials_needed
from results.stats.quantiles import Quantile, minimum_count, quantile
from results.stats.sequential import Look, SequentialPlan, look, plan
from results.stats.shift import Shift, shift
from results.stats.tost import Tost, tost
from results.stats.variance import Components, optimal_repetitions, variance_components

__all__ = [
    "Comparison",
    "Components",
    "Direction",
    "Floor",
    "Independence",
    "Look",
    "Quantile",
    "RatioInterval",
    "SequentialPlan",
    "Shift",
    "StatsError",
    "Tost",
    "TrialsNeeded",
    "Verdict",
    "above_floor",
    "compare",
    "floor",
    "independence",
    "look",
    "minimum_count",
    "optimal_repetitions",
    "plan",
    "quantile",
    "ratio_of_means",
    "ratio_of_medians",
    "shift",
    "tost",
    "trials_needed",
    "variance_components",
]
