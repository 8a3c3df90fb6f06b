"""Ratios to native on one logarithmic axis: rows of arms, each with its mark and its interval.

Right is better.  One scale for all, set by what really ran; an emulated arm far off it is an
arrow at the edge with its figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator

from reports import text
from reports.charts import theme
from reports.charts.svg import Chart, Marks, in_two_widths, render
from reports.view.model import Effect, MetricView

WIDE_PX, NARROW_PX = 960, 350
ROW_PX, NARROW_ROW_PX, HEAD_PX, FOOT_PX = 23, 40, 30, 42
WIDE_LEFT = 0.21
LABEL_PT, LABEL_LENGTH = 12.0, 29
"""An arm's name beside the wide axis, and from which length on it is set smaller."""
TICK_PX = 44
"""What a label on the axis takes."""
LEAST, MOST = 0.2, 5.0
"""The scale never goes further: beyond are arrows."""
TICKS = (0.2, 0.25, 0.33, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Limits of the common axis."""

    low: float
    high: float

    def holds(self, ratio: float) -> bool:
        """Whether ``ratio`` is on the axis."""
        return self.low <= ratio <= self.high


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where the rows of one chart go."""

    axes: Axes
    scale: Scale
    marks: Marks
    narrow: bool

    @property
    def row_px(self) -> int:
        """Height of one arm's row; a narrow one has its words above its mark."""
        return NARROW_ROW_PX if self.narrow else ROW_PX


def scale_of(effects: Iterable[Effect], also: Iterable[float] = ()) -> Scale:
    """A scale for what really ran, and for the ratios in ``also``."""
    reach = [0.9, 1.1, *also]
    for effect in effects:
        if not effect.arm.hollow:
            reach += [effect.ratio or 1.0, effect.low or 1.0, effect.high or 1.0, *effect.pairs]
    low, high = max(LEAST, min(reach)), min(MOST, max(reach))
    return Scale(low / 1.06, high * 1.06)


@dataclass(frozen=True, slots=True)
class Frame:
    """What has to be known of a chart before it is drawn."""

    groups: int
    rows: int
    scale: Scale
    title: str
    description: str
    """For those who do not see it."""
    right: float = 0.80
    """Where the axis of the wide one ends; words stand beyond."""


def chart(name: str, frame: Frame, fill: Callable[[Canvas], None], resource: str = "") -> Chart:
    """The chart called ``name``; ``fill`` draws groups and rows, from 0 down."""
    said = (frame.title, frame.description)
    return in_two_widths(name, said, lambda figure: _draw(figure, frame, fill), resource)


def _draw(name: str, frame: Frame, fill: Callable[[Canvas], None]) -> str:
    """The figure called ``name``, narrow where it ends so, as an SVG element."""
    narrow = name.endswith("narrow")
    row_px = NARROW_ROW_PX if narrow else ROW_PX
    height = frame.rows * row_px + frame.groups * HEAD_PX + FOOT_PX
    left, right = (0.02, 0.98) if narrow else (WIDE_LEFT, frame.right)
    with theme.style(name):
        figure = theme.figure(NARROW_PX if narrow else WIDE_PX, height)
        axes = figure.add_axes((left, FOOT_PX / height, right - left, 1 - FOOT_PX / height))
        canvas = Canvas(axes, frame.scale, Marks(), narrow)
        _prepare(canvas, height - FOOT_PX)
        fill(canvas)
        return render(figure, canvas.marks, name, frame.title, frame.description)


def _prepare(canvas: Canvas, height: float) -> None:
    """Axis in pixels downwards, logarithmic ratios across."""
    axes, scale = canvas.axes, canvas.scale
    axes.set_xscale("log")
    axes.set_xlim(scale.low, scale.high)
    axes.set_ylim(height, 0)
    ticks = theme.apart(axes, [tick for tick in TICKS if scale.holds(tick)], TICK_PX)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.yaxis.set_major_locator(NullLocator())
    axes.tick_params(length=0, pad=6)
    axes.grid(visible=True, axis="x", color=theme.GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.axvline(1.0, color=theme.MUTED, linewidth=1.2, zorder=1.5)
    axes.spines[:].set_visible(False)
    below = -34 / height
    for x, side, words in ((0, "left", "← slower than native"), (1, "right", "faster →")):
        axes.text(
            *(x, below, words),
            transform=axes.transAxes,
            ha=side,
            va="center",
            fontsize=11,
            color=theme.MUTED,
        )


def group(canvas: Canvas, title: str, rows: int, top: float) -> tuple[float, float]:
    """Write the title of ``rows`` rows from ``top`` down; where they begin and end."""
    first = top + HEAD_PX
    canvas.axes.text(
        0 if canvas.narrow else -0.355,
        first - 12,
        title,
        transform=canvas.axes.get_yaxis_transform(),
        fontweight="bold",
        va="center",
        bbox={"facecolor": theme.SURFACE, "edgecolor": "none", "pad": 2.0},
    )
    return first, first + rows * canvas.row_px


def band(canvas: Canvas, metric: MetricView, top: float, bottom: float) -> None:
    """What native differs from itself, behind a group's rows."""
    if metric.floor is None:
        return
    low = max(1 / metric.floor.ratio, canvas.scale.low)
    high = min(metric.floor.ratio, canvas.scale.high)
    field = Rectangle((low, top), high - low, bottom - top, color=theme.BAND, linewidth=0, zorder=1)
    canvas.axes.add_patch(field)
    proof = "" if metric.floor.proven else " (largest seen; too few trials for an interval)"
    tip = f"native against native: ±{text.percent(metric.floor.effect, 1)}{proof}"
    canvas.marks.add(field, "band", f"{metric.title}, {tip}")


def row(canvas: Canvas, title: str, effect: Effect, top: float) -> None:
    """One arm: its words, its blocks as dots, its interval as a bar and its mark."""
    y = top + canvas.row_px - 13
    _labels(canvas, effect, top + 10)
    if effect.ratio is None:
        return
    scale, slot = canvas.scale, effect.arm.slot
    colour = theme.arm_colour(slot)
    tip = f"{title}, {effect.arm.label}: {figure_of(effect)}, {effect.n} trials. {effect.reading}"
    if not scale.holds(effect.ratio):
        _arrow(canvas, effect, y, tip)
        return
    dots = [pair for pair in effect.pairs if scale.holds(pair)]
    points = canvas.axes.plot(
        dots, [y] * len(dots), "o", color=colour, alpha=0.35, ms=5, mew=0, zorder=2
    )
    canvas.marks.add(points[0], f"a{slot}", tip)
    if effect.low is not None and effect.high is not None:
        ends = [max(effect.low, scale.low), min(effect.high, scale.high)]
        dash = (0, (2, 1.2)) if effect.arm.hollow else "-"
        bar = canvas.axes.plot(ends, [y, y], linestyle=dash, color=colour, lw=2.6, zorder=3)
        canvas.marks.add(bar[0], f"a{slot}", tip)
    _mark(canvas, effect, (effect.ratio, y), tip)


def _labels(canvas: Canvas, effect: Effect, y: float) -> None:
    across = canvas.axes.get_yaxis_transform()
    said = figure_of(effect)
    if canvas.narrow:
        line = f"{effect.arm.label}: {said}"
        canvas.axes.text(0, y, line, transform=across, va="center", fontsize=11)
        return
    label = effect.arm.label
    fontsize = LABEL_PT * min(1.0, LABEL_LENGTH / len(label))
    canvas.axes.text(
        *(-0.012, y, label), transform=across, ha="right", va="center", fontsize=fontsize
    )
    canvas.axes.text(1.015, y, said, transform=across, va="center", fontsize=11)


def _mark(
    canvas: Canvas, effect: Effect, at: tuple[float, float], tip: str, marker: str = ""
) -> None:
    colour = theme.arm_colour(effect.arm.slot)
    drawn = canvas.axes.plot(
        *([at[0]], [at[1]]),
        marker=marker or theme.MARKERS[effect.arm.slot],
        markersize=8,
        markerfacecolor=theme.SURFACE if effect.arm.hollow or effect.low is None else colour,
        markeredgecolor=colour,
        markeredgewidth=1.8,
        linestyle="",
        zorder=4,
        clip_on=False,
    )
    canvas.marks.add(drawn[0], f"a{effect.arm.slot}", tip)


def _arrow(canvas: Canvas, effect: Effect, y: float, tip: str) -> None:
    scale = canvas.scale
    left = (effect.ratio or 1.0) < scale.low
    edge = math.log(scale.high / scale.low) * 0.012
    x = scale.low * math.exp(edge) if left else scale.high / math.exp(edge)
    _mark(canvas, effect, (x, y), f"{tip} (off the scale)", "<" if left else ">")


def figure_of(effect: Effect) -> str:
    """Ratio and interval in figures, or why there is none."""
    if effect.ratio is None:
        return effect.note
    if effect.low is None or effect.high is None:
        return f"{text.times(effect.ratio)}  (no interval)"
    low, high = (text.times(end).removesuffix("×") for end in (effect.low, effect.high))
    return f"{text.times(effect.ratio)}  [{low} – {high}]"
