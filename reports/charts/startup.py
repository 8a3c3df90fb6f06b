"""Start-up: how the times to the first answer are distributed, and where the time goes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from reports import text
from reports.charts import theme
from reports.charts.svg import Chart, Marks, in_two_widths, render, require_drawable
from reports.view.model import ArmValue, MetricView, PhaseBar
from reports.view.startup import PHASES

WIDE_PX, NARROW_PX = 960, 350
ECDF_PX = 330
TICK_PX = 52
"""What a label on the axis takes."""
ORDER = {phase: index for index, (phase, _, _) in enumerate(PHASES)}
"""A phase has one colour, whichever others an arm has."""
BAR_PX, ARM_PX, FOOT_PX = 24, 52, 8


def ecdf_chart(metric: MetricView) -> Chart | None:
    """Share of trials done within a time, one step line per arm; None without any data."""
    arms = [value for value in metric.values if value.values]
    if not arms:
        return None
    title = f"{metric.title}: share of starts done within a time"
    description = " ".join(
        f"{value.arm.label}: median {text.quantity(value.median.value, metric.unit)}, "
        f"from {text.quantity(value.values[0], metric.unit)} "
        f"to {text.quantity(value.values[-1], metric.unit)}."
        for value in arms
    )
    said = (title, description)
    return in_two_widths(
        "ecdf", said, lambda figure: _draw_ecdf(figure, metric, arms, said), metric.resource
    )


def phases_chart(bars: Sequence[PhaseBar]) -> Chart | None:
    """One bar per arm, as long as its own total; None without any."""
    shown = [bar for bar in bars if sum(segment.median_ns for segment in bar.segments) > 0]
    if not shown:
        return None
    title = "Where the time goes from request to removal"
    description = " ".join(
        f"{bar.arm.label}: "
        + ", ".join(f"{s.label} {text.quantity(s.median_ns, 'ns')}" for s in bar.segments)
        + "."
        for bar in shown
    )
    said = (title, description)
    return in_two_widths(
        "phases", said, lambda figure: _draw_phases(figure, shown, said), "startup"
    )


def _draw_ecdf(
    name: str, metric: MetricView, arms: Sequence[ArmValue], said: tuple[str, str]
) -> str:
    require_drawable((each for value in arms for each in value.values), logarithmic=True)
    narrow = name.endswith("narrow")
    width = NARROW_PX if narrow else WIDE_PX
    with theme.style(name):
        figure = theme.figure(width, ECDF_PX)
        margin = 46 / width
        axes = figure.add_axes((margin, 0.08, 1 - margin - 0.02, 0.88))
        _prepare_ecdf(axes)
        marks = Marks()
        for value in arms:
            _ecdf(axes, metric, value, marks)
        _time_axis(axes, metric.unit)
        return render(figure, marks, name, *said)


def _prepare_ecdf(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.tick_params(length=0, pad=6, labelsize=11)
    axes.grid(visible=True, color=theme.GRID, linewidth=1)
    axes.axhline(0, color=theme.GRID, linewidth=4, zorder=5)  # over the lines' way in from 0
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _time_axis(axes: Axes, unit: str) -> None:
    """Ticks at 1, 2 and 5 of every power of ten, where their labels have room."""
    low, high = axes.get_xlim()
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    held = [
        tick for power in powers for one in (1, 5, 2) if low <= (tick := one * 10.0**power) <= high
    ]
    ticks = theme.apart(axes, held, TICK_PX)
    axes.set_xticks(ticks, [_tick(tick, unit) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def _tick(value: float, unit: str) -> str:
    """``10 ms`` rather than ``10.0 ms``: ticks are round."""
    return re.sub(r"\.0+(?= )", "", text.quantity(value, unit))


def _ecdf(axes: Axes, metric: MetricView, value: ArmValue, marks: Marks) -> None:
    colour = theme.arm_colour(value.arm.slot)
    before = len(axes.lines)
    sns.ecdfplot(
        x=list(value.values),
        ax=axes,
        color=colour,
        linewidth=2.2,
        linestyle=(0, (3, 1.6)) if value.arm.hollow else "-",
    )
    median = text.quantity(value.median.value, metric.unit)
    tip = f"{value.arm.label}: median {median} of {value.median.n} trials"
    marks.add(axes.lines[before], f"a{value.arm.slot}", tip)
    drawn = axes.plot(
        *([value.median.value], [0.5]),
        marker=theme.MARKERS[value.arm.slot],
        markersize=8,
        markerfacecolor=theme.SURFACE if value.arm.hollow else colour,
        markeredgecolor=colour,
        markeredgewidth=1.8,
    )
    marks.add(drawn[0], f"a{value.arm.slot}", tip)
    axes.set_xlabel("")
    axes.set_ylabel("")


def _draw_phases(name: str, bars: Sequence[PhaseBar], said: tuple[str, str]) -> str:
    narrow = name.endswith("narrow")
    height = len(bars) * ARM_PX + FOOT_PX
    with theme.style(name):
        figure = theme.figure(NARROW_PX if narrow else WIDE_PX, height)
        axes = figure.add_axes((0.0, FOOT_PX / height, 1.0, 1 - FOOT_PX / height))
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(height - FOOT_PX, 0)
        marks = Marks()
        for index, bar in enumerate(bars):
            _phase_bar(axes, bar, index * ARM_PX, marks, least=0.16 if narrow else 0.06)
        return render(figure, marks, name, *said)


def _phase_bar(axes: Axes, bar: PhaseBar, top: float, marks: Marks, *, least: float) -> None:
    """One arm: its name and total above, its phases below; words only where they fit."""
    total = sum(segment.median_ns for segment in bar.segments)
    words = f"{text.quantity(total, 'ns')} in all"
    axes.text(0, top + 12, bar.arm.label, va="center", fontweight="bold")
    axes.text(1, top + 12, words, va="center", ha="right")
    left = 0.0
    for segment in bar.segments:
        index = ORDER[segment.phase]
        share = segment.median_ns / total
        said = text.quantity(segment.median_ns, "ns")
        drawn = axes.barh(
            *(top + 23 + BAR_PX / 2, share),
            left=left,
            height=BAR_PX,
            color=theme.phase_colour(index),
            edgecolor=theme.SURFACE,
            linewidth=1.5,
            hatch="///" if bar.arm.hollow else None,
        )
        tip = f"{bar.arm.label}, {segment.label}: {said} ({text.percent(share)}), {bar.n} trials"
        marks.add(drawn.patches[0], f"a{bar.arm.slot}", tip)
        if share >= least:
            axes.text(
                *(left + share / 2, top + 23 + BAR_PX / 2, said),
                ha="center",
                va="center",
                fontsize=11,
                color=theme.ON_PHASE,
                bbox={"facecolor": theme.phase_colour(index), "edgecolor": "none", "pad": 2.0},
            )
        left += share
