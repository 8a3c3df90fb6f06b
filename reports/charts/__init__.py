"""Charts as inline SVG: drawn with matplotlib and seaborn, the same bytes for the same data."""

from __future__ import annotations

from reports.charts.beside import beside_charts
from reports.charts.footprint import footprint_charts
from reports.charts.forest import forest_charts
from reports.charts.mechanisms import mechanisms_chart
from reports.charts.speed import speed_charts
from reports.charts.startup import ecdf_chart, phases_chart
from reports.charts.svg import Chart
from reports.charts.waterfall import waterfall_chart

__all__ = [
    "Chart",
    "beside_charts",
    "ecdf_chart",
    "footprint_charts",
    "forest_charts",
    "mechanisms_chart",
    "phases_chart",
    "speed_charts",
    "waterfall_chart",
]
