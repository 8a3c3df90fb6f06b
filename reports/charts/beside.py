"""Published beside yours: this run's ratios as in the first chart, and the published one of each.

A published ratio is a stroke across its arm's row, with its year; its source is in its tooltip
and in the table below the chart.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports import text
from reports.charts import ratios, theme
from reports.charts.ratios import Canvas, Frame, Scale
from reports.charts.svg import Chart
from reports.view.beside import BesideRow, BesideView, BesideWork
from reports.view.prices import SPEEDS

HALF_PX = 9
"""Of a stroke's height."""
AXIS_ENDS, OURS_PX = 0.70, 165
"""Of the wide chart's width, beyond which stand our figures, so wide, and then the published."""


def beside_charts(view: BesideView | None) -> tuple[Chart, ...]:
    """One chart per resource, all on one scale."""
    works = view.works if view else ()
    rows = [row for work in works for row in work.rows]
    scale = ratios.scale_of(
        (row.effect for row in rows), also=[row.published.ratio for row in rows]
    )
    return tuple(
        _chart(resource, [work for work in works if work.resource == resource], scale)
        for resource in dict.fromkeys(work.resource for work in works)
    )


def _chart(resource: str, works: Sequence[BesideWork], scale: Scale) -> Chart:
    title = f"{SPEEDS.get(resource, resource)}: ratio to native, yours and published"
    description = " ".join(_tip(work, row) for work in works for row in work.rows)
    rows = sum(len(work.rows) for work in works)
    frame = Frame(len(works), rows, scale, title, description, right=AXIS_ENDS)

    def fill(canvas: Canvas) -> None:
        y = 0.0
        for work in works:
            y = _work(canvas, work, y)

    return ratios.chart(f"beside-{resource}", frame, fill, resource)


def _work(canvas: Canvas, work: BesideWork, top: float) -> float:
    first, bottom = ratios.group(canvas, work.title, len(work.rows), top)
    for index, row in enumerate(work.rows):
        y = first + index * canvas.row_px
        ratios.row(canvas, work.title, row.effect, y)
        _words(canvas, row, y + 10)
        _stroke(canvas, work, row, y + canvas.row_px - 13)
    return bottom


def _words(canvas: Canvas, row: BesideRow, y: float) -> None:
    """The published figure, in a column of its own behind ours."""
    said = f"{row.published.year}: {text.times(row.published.ratio)}"
    axes_px = (AXIS_ENDS - ratios.WIDE_LEFT) * ratios.WIDE_PX
    x = 1.0 if canvas.narrow else 1.015 + OURS_PX / axes_px
    canvas.axes.text(
        *(x, y, said),
        transform=canvas.axes.get_yaxis_transform(),
        ha="right" if canvas.narrow else "left",
        va="center",
        fontsize=11,
        fontweight="bold",
        bbox={"facecolor": theme.SURFACE, "edgecolor": "none", "pad": 1.0},
    )


def _stroke(canvas: Canvas, work: BesideWork, row: BesideRow, y: float) -> None:
    x = min(max(row.published.ratio, canvas.scale.low), canvas.scale.high)
    line = canvas.axes.plot(
        [x, x], [y - HALF_PX, y + HALF_PX], color=theme.INK, lw=2.2, zorder=5, clip_on=False
    )
    canvas.marks.add(line[0], "published", _tip(work, row))


def _tip(work: BesideWork, row: BesideRow) -> str:
    published = row.published
    beyond = (
        f"{published.year}: {text.times(published.ratio)} ({published.source}; {published.what})"
    )
    ours = ratios.figure_of(row.effect)
    return f"{work.title}, {row.effect.arm.label}: yours {ours}, published {beyond}."
