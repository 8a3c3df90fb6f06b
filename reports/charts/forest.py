"""A claim's comparisons on one line each: the estimate, its interval, what the claim allows.

All claims of one scale share one axis, so that cards compare at a glance.  The green field is
what the claim allows: a bar inside it supports, outside it refutes, across its edge settles
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator

from reports.charts import theme
from reports.charts.svg import Chart, Marks, in_two_widths, render
from reports.view.forests import Forest, ForestRow, Scale

WIDE_PX, NARROW_PX = 440, 330
ROW_PX, HEAD_PX, FOOT_PX = 36, 2, 40
TICK_PX = 46
"""What a label on the axis takes."""
LIMITS = {"speed": (0.25, 2.0), "times": (0.01, 1000.0)}
LEAST = {"speed": (0.9, 1.1), "times": (0.5, 20.0)}
TICKS = {
    "speed": (0.25, 0.33, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0),
    "times": (0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0),
}
WORDS = {
    "speed": ("← worse than the baseline", "better →"),
    "times": ("← less than the baseline", "more →"),
}


@dataclass(frozen=True, slots=True)
class Axis:
    """The common axis of one scale."""

    scale: Scale
    low: float
    high: float

    def clipped(self, ratio: float) -> float:
        """``ratio``, or the end that it is beyond."""
        return min(max(ratio, self.low), self.high)


def forest_charts(forests: Iterable[Forest]) -> dict[str, tuple[Chart, ...]]:
    """Claim id → its charts."""
    every = list(forests)
    axes = {scale: _axis(scale, every) for scale in ("speed", "times")}
    charts: dict[str, tuple[Chart, ...]] = {}
    for forest in every:
        made = _chart(forest, axes[forest.scale])
        charts[forest.claim] = (*charts.get(forest.claim, ()), made)
    return charts


def _axis(scale: Scale, forests: Sequence[Forest]) -> Axis:
    reach = list(LEAST[scale])
    for row in (row for forest in forests if forest.scale == scale for row in forest.rows):
        reach += [each for each in (row.ratio, *(row.ends or ())) if 0.0 < each < math.inf]
        reach += [end for end in row.claimed if 0.0 < end < math.inf]
    least, most = LIMITS[scale]
    low, high = max(least, min(reach)), min(most, max(reach))
    room = (high / low) ** 0.04
    return Axis(scale, low / room, high * room)


def _chart(forest: Forest, axis: Axis) -> Chart:
    name = f"forest-{forest.claim}-{forest.scale}"
    description = " ".join(row.tip for row in forest.rows)
    said = (forest.title, description)
    return in_two_widths(name, said, lambda figure: _draw(figure, forest, axis, said))


def _draw(name: str, forest: Forest, axis: Axis, said: tuple[str, str]) -> str:
    rows = len(forest.rows) * ROW_PX + HEAD_PX
    height = rows + FOOT_PX
    with theme.style(name):
        figure = theme.figure(NARROW_PX if name.endswith("narrow") else WIDE_PX, height)
        axes = figure.add_axes((0.02, FOOT_PX / height, 0.96, rows / height))
        marks = Marks()
        _prepare(axes, axis, rows)
        for index, row in enumerate(forest.rows):
            _row(axes, axis, row, HEAD_PX + index * ROW_PX, marks)
        return render(figure, marks, name, *said)


def _prepare(axes: Axes, axis: Axis, height: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(axis.low, axis.high)
    axes.set_ylim(height, 0)
    held = [tick for tick in TICKS[axis.scale] if axis.low <= tick <= axis.high]
    ticks = theme.apart(axes, held, TICK_PX)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    sign = "{:.0%}" if axis.scale == "speed" else "{:g}×"
    axes.set_xticks(ticks, [sign.format(tick) for tick in ticks])
    axes.yaxis.set_major_locator(NullLocator())
    axes.tick_params(length=0, pad=4, labelsize=11)
    axes.grid(visible=True, axis="x", color=theme.GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.axvline(1.0, color=theme.MUTED, linewidth=1.2, zorder=1.5)
    axes.spines[:].set_visible(False)
    for x, side, words in zip((0, 1), ("left", "right"), WORDS[axis.scale], strict=True):
        axes.text(
            *(x, -31 / height, words),
            transform=axes.transAxes,
            ha=side,
            va="center",
            fontsize=10.5,
            color=theme.MUTED,
        )


def _row(axes: Axes, axis: Axis, row: ForestRow, top: float, marks: Marks) -> None:
    across = axes.get_yaxis_transform()
    y = top + 26
    low, high = (axis.clipped(end) for end in row.claimed)
    field = Rectangle((low, top + 17), high - low, 18, color=theme.FIELD, linewidth=0, zorder=1)
    axes.add_patch(field)
    box = {"facecolor": theme.SURFACE, "edgecolor": "none", "pad": 0.8}
    axes.text(0, top + 9, row.label, transform=across, va="center", fontsize=11, bbox=box)
    axes.text(
        *(1, top + 9, row.figure),
        transform=across,
        ha="right",
        va="center",
        fontsize=11,
        fontweight="bold",
        bbox=box,
    )
    colour = theme.arm_colour(row.arm.slot)
    key = f"a{row.arm.slot}"
    if row.ends is not None:
        ends = [axis.clipped(end) for end in row.ends]
        bar = axes.plot(ends, [y, y], color=colour, lw=3, zorder=3)
        marks.add(bar[0], key, row.tip)
    inside = axis.low <= row.ratio <= axis.high
    marker = theme.MARKERS[row.arm.slot] if inside else "<" if row.ratio < axis.low else ">"
    point = axes.plot(
        *([axis.clipped(row.ratio)], [y], marker),
        color=theme.SURFACE if row.ends is None else colour,
        mec=colour,
        mew=1.6,
        ms=8,
        zorder=4,
        clip_on=False,
    )
    marks.add(point[0], key, row.tip)
