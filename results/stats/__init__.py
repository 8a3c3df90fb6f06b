"""Statistics on plain numbers: pure functions, documented with formula and source."""

from __future__ import annotations

from results.stats.compare import Comparison, compare
from results.stats.errors import StatsError

__all__ = ["Comparison", "StatsError", "compare"]
