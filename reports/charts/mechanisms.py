"""What each mechanism does to work that runs: small multiples, one column per workload.

Every rung's ratio to native, on one scale for all columns.  A filled mark is a step that differs
from the one before it; where marks stay hollow, mechanisms cost that work nothing that can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from reports import text
from reports.charts import theme
from reports.charts.svg import Chart, Marks, in_two_widths, render
from reports.charts.waterfall import FIRST_SLOT, OWN_SLOT
from reports.view.waterfall_rows import Fall, FallRow

WIDE_PX, NARROW_PX = 960, 350
ROW_PX, HEAD_PX, FOOT_PX, BETWEEN_PX = 22, 28, 30, 22
LABEL_PX, NARROW_LABEL_PX, WIDEST_PX = 186, 132, 300
TICK_PX = 36
"""What a label on the axis takes."""
LEAST, MOST = 0.4, 1.25
"""The scale never goes further: what is beyond stands at its edge as an arrow."""
TICKS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)


@dataclass(frozen=True, slots=True)
class Column:
    """One workload's place."""

    axes: Axes
    marks: Marks
    low: float
    high: float


def mechanisms_chart(falls: Sequence[Fall]) -> Chart | None:
    """One column per workload; None where no workload has rungs."""
    shown = [fall for fall in falls if any(row.overall for row in fall.rows)]
    if not shown:
        return None
    title = "What each mechanism does to work that runs: ratio to native"
    description = " ".join(f"{fall.title}: {_sentence(fall)}" for fall in shown)
    said = (title, description)
    return in_two_widths("mechanisms", said, lambda figure: _draw(figure, shown, said))


def _draw(name: str, falls: Sequence[Fall], said: tuple[str, str]) -> str:
    return (_narrow if name.endswith("narrow") else _wide)(falls, said)


def _sentence(fall: Fall) -> str:
    told = [row for row in fall.rows if row.finding in {"costs", "saves"}]
    if not told:
        return "no step is told from the one before it."
    return text.listed([f"{row.label} {row.figure}" for row in told]) + "."


def _wide(falls: Sequence[Fall], said: tuple[str, str]) -> str:
    labels = _labels(falls)
    height = HEAD_PX + len(labels) * ROW_PX + FOOT_PX
    low, high = _scale(falls)
    width = min(WIDEST_PX, (WIDE_PX - LABEL_PX - 10) / len(falls))
    with theme.style("mechanisms-wide"):
        figure = theme.figure(WIDE_PX, height)
        marks = Marks()
        for index, fall in enumerate(falls):
            left = (LABEL_PX + index * width) / WIDE_PX
            axes = figure.add_axes((left, 0.0, (width - BETWEEN_PX) / WIDE_PX, 1.0))
            _column(Column(axes, marks, low, high), fall, labels, height, first=not index)
        return render(figure, marks, "mechanisms-wide", *said)


def _narrow(falls: Sequence[Fall], said: tuple[str, str]) -> str:
    """One below the other, each with its own labels."""
    low, high = _scale(falls)
    heights = [HEAD_PX + len(fall.rows) * ROW_PX + FOOT_PX for fall in falls]
    height = sum(heights)
    with theme.style("mechanisms-narrow"):
        figure = theme.figure(NARROW_PX, height)
        marks = Marks()
        top = 0.0
        for fall, own in zip(falls, heights, strict=True):
            left = NARROW_LABEL_PX / NARROW_PX
            box = (left, 1 - (top + own) / height, 0.96 - left, own / height)
            labels = [f"{'… ' * (row.together > 1)}{row.label}" for row in fall.rows]
            column = Column(figure.add_axes(box), marks, low, high)
            _column(column, fall, labels, own, first=True)
            top += own
        return render(figure, marks, "mechanisms-narrow", *said)


def _labels(falls: Sequence[Fall]) -> list[str]:
    """Rungs of all columns, in order; the longest waterfall has most of them."""
    longest = max(falls, key=lambda fall: len(fall.rows))
    labels = [row.label for row in longest.rows]
    known = {row.arm for row in longest.rows}
    return labels + [row.label for fall in falls for row in fall.rows if row.arm not in known]


def _scale(falls: Sequence[Fall]) -> tuple[float, float]:
    reach = [0.95, 1.05]
    for row in (row for fall in falls for row in fall.rows):
        if row.overall:
            ends = (row.overall.value, row.overall.low, row.overall.high)
            reach += [end for end in ends if end is not None]
    return max(LEAST, min(reach)) - 0.03, min(MOST, max(reach)) + 0.03


def _column(
    column: Column, fall: Fall, labels: Sequence[str], height: float, *, first: bool
) -> None:
    axes = column.axes
    axes.set_xlim(column.low, column.high)
    axes.set_ylim(height, 0)
    axes.patch.set_visible(False)
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines[:].set_visible(False)
    across = axes.get_yaxis_transform()
    axes.text(0, 12, fall.short, transform=across, va="center", fontweight="bold")
    bottom = height - FOOT_PX
    _grid(column, fall, bottom)
    if first:
        for index, label in enumerate(labels):
            y = HEAD_PX + (index + 0.5) * ROW_PX
            axes.text(-0.05, y, label, transform=across, ha="right", va="center", fontsize=11)
    height_of = {label.removeprefix("… "): place for place, label in enumerate(labels)}
    at = [(row, HEAD_PX + (height_of[row.label] + 0.5) * ROW_PX) for row in fall.rows]
    _line(column, at)
    for row, y in at:
        _mark(column, fall, row, y)


def _grid(column: Column, fall: Fall, bottom: float) -> None:
    axes = column.axes
    held = [tick for tick in TICKS if column.low <= tick <= column.high]
    for tick in theme.apart(axes, held, TICK_PX):
        axes.plot([tick, tick], [HEAD_PX, bottom], color=theme.GRID, lw=1, zorder=0.6)
        axes.text(
            *(tick, bottom + 13, f"{tick:.0%}"),
            ha="center",
            va="center",
            fontsize=10.5,
            color=theme.MUTED,
        )
    if fall.floor is not None:
        low, high = max(1 - fall.floor, column.low), min(1 / (1 - fall.floor), column.high)
        band = Rectangle(
            (low, HEAD_PX), high - low, bottom - HEAD_PX, color=theme.BAND, lw=0, zorder=0.5
        )
        axes.add_patch(band)
        tip = f"{fall.title}, native against native: ±{text.percent(fall.floor, 1)}"
        column.marks.add(band, "band", tip)
    axes.plot([1, 1], [HEAD_PX, bottom], color=theme.MUTED, lw=1.2, zorder=0.9)


def _line(column: Column, at: Sequence[tuple[FallRow, float]]) -> None:
    points = [(_clip(column, row.overall.value), y) for row, y in at if row.overall]
    if points:
        xs, ys = zip(*points, strict=True)
        column.axes.plot(xs, ys, color=theme.MUTED, lw=1, alpha=0.6, zorder=1)


def _clip(column: Column, ratio: float) -> float:
    return min(max(ratio, column.low), column.high)


def _mark(column: Column, fall: Fall, row: FallRow, y: float) -> None:
    if row.overall is None:
        return
    slot = row.slot if row.slot is not None else FIRST_SLOT if row.finding == "first" else OWN_SLOT
    colour = theme.arm_colour(slot)
    told = row.finding in {"costs", "saves"}
    key = "step" if row.slot is None else f"a{row.slot}"
    value, low, high = row.overall.value, row.overall.low, row.overall.high
    tip = f"{fall.title}, {row.tip} {text.times(value)} of native."
    if low is not None and high is not None:
        ends = [_clip(column, low), _clip(column, high)]
        column.axes.plot(ends, [y, y], color=colour, lw=1.8, alpha=0.75, zorder=2)
    inside = column.low <= value <= column.high
    drawn = column.axes.plot(
        [_clip(column, value)],
        [y],
        marker="o" if inside else "<" if value < column.low else ">",
        markersize=7,
        markerfacecolor=colour if told else theme.SURFACE,
        markeredgecolor=colour,
        markeredgewidth=1.5,
        linestyle="",
        zorder=3,
    )
    column.marks.add(drawn[0], key, tip)
    if told:
        left = value > (column.low + column.high) / 2
        column.axes.annotate(
            row.figure,
            (_clip(column, value), y),
            xytext=(-7 if left else 7, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=10.5,
            fontweight="bold",
            zorder=4,
        )
