"""What one idle instance takes: bars from zero, one chart per quantity."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from reports import text
from reports.charts import theme
from reports.charts.svg import Chart, Marks, in_two_widths, render, require_drawable
from reports.view.model import ArmView, MetricView

WIDE_PX, NARROW_PX = 470, 350
ROW_PX, BAR_PX, FOOT_PX = 42, 14, 0

Bar = tuple[ArmView, float, str]
"""Arm, height in the unit, and what its tooltip adds."""


def footprint_charts(
    metrics: Sequence[MetricView], daemons: Sequence[tuple[ArmView, float]]
) -> tuple[Chart, ...]:
    """One chart per footprint metric, and one for the daemons that serve all instances."""
    charts = []
    for index, metric in enumerate(m for m in metrics if m.resource == "footprint" and m.values):
        bars = [
            (value.arm, value.median.value, f"median of {value.median.n} trials")
            for value in metric.values
            if not value.arm.again
        ]
        charts.append(_chart(f"footprint-{index}", text.heading(metric.metric), bars, metric.unit))
    if daemons:
        bars = [(arm, size, "PSS of its daemons") for arm, size in daemons]
        charts.append(_chart("footprint-daemons", "daemons, once per host", bars, "B"))
    return tuple(charts)


def _chart(name: str, quantity: str, bars: Sequence[Bar], unit: str) -> Chart:
    title = quantity[:1].upper() + quantity[1:]
    description = " ".join(f"{arm.label}: {text.quantity(size, unit)}." for arm, size, _ in bars)
    said = (title, description)
    return in_two_widths(name, said, lambda figure: _draw(figure, bars, unit, said), "footprint")


def _draw(name: str, bars: Sequence[Bar], unit: str, said: tuple[str, str]) -> str:
    require_drawable(size for _, size, _ in bars)
    height = len(bars) * ROW_PX + FOOT_PX
    longest = max((size for _, size, _ in bars), default=0.0)
    with theme.style(name):
        figure = theme.figure(NARROW_PX if name.endswith("narrow") else WIDE_PX, height)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(0, longest if longest > 0 else 1.0)
        axes.set_ylim(height, 0)
        marks = Marks()
        for index, bar in enumerate(bars):
            _bar(axes, bar, unit, index * ROW_PX, marks)
        return render(figure, marks, name, *said)


def _bar(axes: Axes, bar: Bar, unit: str, top: float, marks: Marks) -> None:
    arm, size, remark = bar
    said = text.quantity(size, unit)
    colour = theme.arm_colour(arm.slot)
    across = axes.get_yaxis_transform()
    axes.text(0, top + 11, arm.label, transform=across, va="center")
    axes.text(1, top + 11, said, transform=across, va="center", ha="right", fontweight="bold")
    drawn = axes.barh(
        *(top + 21 + BAR_PX / 2, max(size, 0.0)),
        height=BAR_PX,
        color=theme.SURFACE if arm.hollow else colour,
        edgecolor=colour,
        linewidth=1.5,
        hatch="////" if arm.hollow else None,
    )
    marks.add(drawn.patches[0], f"a{arm.slot}", f"{arm.label}: {said}, {remark}")
