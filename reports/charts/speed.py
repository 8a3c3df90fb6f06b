"""The first chart: each arm's ratio to native with its interval, per workload.

Small dots are blocks, the large mark their median, the bar its interval; the band is what native
shows against native.  Where nothing ran off the scale, all charts share it: see ratios.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports import text
from reports.charts import ratios
from reports.charts.ratios import Canvas, Frame, Scale
from reports.charts.svg import Chart
from reports.view.model import MetricView
from reports.view.prices import SPEEDS


def speed_charts(metrics: Sequence[MetricView]) -> tuple[Chart, ...]:
    """One chart per resource, all on one scale; resources without any ratio are left out."""
    shown = [metric for metric in metrics if metric.primary and metric.resource in SPEEDS]
    shown = [metric for metric in shown if any(e.ratio for e in metric.effects)]
    scale = ratios.scale_of(effect for metric in shown for effect in metric.effects)
    return tuple(
        _chart(resource, [m for m in shown if m.resource == resource], scale)
        for resource in SPEEDS
        if any(metric.resource == resource for metric in shown)
    )


def _chart(resource: str, metrics: Sequence[MetricView], scale: Scale) -> Chart:
    title = f"{SPEEDS[resource]}: ratio to native"
    description = " ".join(_sentences(metrics))
    rows = sum(len(metric.effects) for metric in metrics)
    frame = Frame(len(metrics), rows, scale, title, description)

    def fill(canvas: Canvas) -> None:
        y = 0.0
        for metric in metrics:
            y = _workload(canvas, metric, y)

    return ratios.chart(f"speed-{resource}", frame, fill, resource)


def _sentences(metrics: Sequence[MetricView]) -> Iterator[str]:
    for metric in metrics:
        said = [f"{e.arm.label} {text.times(e.ratio)}" for e in metric.effects if e.ratio]
        yield f"{metric.title}: {', '.join(said)}."


def _workload(canvas: Canvas, metric: MetricView, top: float) -> float:
    """Draw one workload's rows from ``top`` down; where the next begins."""
    first, bottom = ratios.group(canvas, metric.title, len(metric.effects), top)
    ratios.band(canvas, metric, first - 2, bottom - 2)
    for index, effect in enumerate(metric.effects):
        ratios.row(canvas, metric.title, effect, first + index * canvas.row_px)
    return bottom
