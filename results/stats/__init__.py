"""Statistics on plain numbers: pure functions, documented with formula and source.

``compare`` judges; the rest explains, plans and checks.  docs/statistics.md has the
formulas in one place, and what the intervals were measured to do.
"""

from __future__ import annotations

from results.stats.compare import Comparison, Direction, Verdict, compare
from results.stats.errors import StatsError
from results.stats.power import Floor, TrialsNeeded, above_floor, floor, trials_needed
from results.stats.sequential import SequentialPlan, plan
from results.stats.shift import Shift, shift

__all__ = [
    "Comparison",
    "Direction",
    "Floor",
    "SequentialPlan",
    "Shift",
    "StatsError",
    "TrialsNeeded",
    "Verdict",
    "above_floor",
    "compare",
    "floor",
    "plan",
    "shift",
    "trials_needed",
]
