"""One self-contained HTML page from a report's view: template, style, script and charts inlined.

Everything from the data passes autoescaping.  Three kinds of text are taken as they are: this
package's own style sheet and script, and the SVG that its chart writer made and escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from reports import text
from reports.charts import (
    Chart,
    beside_charts,
    ecdf_chart,
    footprint_charts,
    forest_charts,
    mechanisms_chart,
    phases_chart,
    speed_charts,
    waterfall_chart,
)
from reports.view.ledger import LedgerView
from reports.view.model import Gate, MetricView, PhaseBar, ReportView
from reports.view.startup import PHASES
from reports.view.waterfall import WaterfallView
from runtimes.printable import printable

TEMPLATES = Path(__file__).parent / "templates"
MAX_FAILURES = 200

LEVEL_WORDS = {"stop": "No claim", "caution": "Caution", "info": "Note", "good": "Good"}
LEVEL_ICONS = {"stop": "✕", "caution": "!", "info": "i", "good": "✓"}
VERDICT_ICONS = {
    "supported": "✓",
    "refuted": "✕",
    "mixed": "◐",
    "inconclusive": "?",
    "unjudged": "–",
}
MAX_CHIPS = 5


def render(view: ReportView, ledger: LedgerView | None = None) -> str:
    """The page.  The same bytes for the same views."""
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    starts = [m for m in view.metrics if m.resource == "startup" and m.primary]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            ledger=ledger,
            forests=_forests(ledger),
            verdict_icons=VERDICT_ICONS,
            chips=_chips(view.gates),
            css=_own(_styles()),
            script=_own(script),
            policy=_policy(script),
            speed=speed_charts(view.metrics),
            beside_charts=beside_charts(view.beside),
            ecdfs=[chart for metric in starts[:1] if (chart := ecdf_chart(metric))],
            phases=phases_chart(view.phases),
            phase_labels=_phase_labels(view.phases),
            footprint=footprint_charts(view.metrics, view.daemons),
            fall=view.waterfall,
            charts=_waterfall(view.waterfall),
            resources=_resources(view.metrics),
            failures=view.failures[:MAX_FAILURES],
            level_words=LEVEL_WORDS,
            level_icons=LEVEL_ICONS,
        )
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "quantity": text.quantity,
        "times": text.times,
        "percent": text.percent,
        "own_svg": _svg,
        "heading": text.heading,
    }
    return environment


def _shown(value: object) -> object:
    """What an expression of a template gives: text without what steers, markup as it is."""
    return printable(value) if type(value) is str else value


def _styles() -> str:
    names = ("report.css", "ledger.css", "waterfall.css")
    return "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _forests(ledger: LedgerView | None) -> dict[str, tuple[Chart, ...]]:
    """Claim id → its plots, for every card."""
    if ledger is None:
        return {}
    charts = forest_charts(forest for card in ledger.cards for forest in card.forests)
    return {card.id: charts.get(card.id, ()) for card in ledger.cards}


def _phase_labels(bars: Sequence[PhaseBar]) -> list[tuple[int, str]]:
    """Number and label of each phase that some arm has."""
    seen = {segment.phase for bar in bars for segment in bar.segments}
    return [(number, label) for number, (phase, label, _) in enumerate(PHASES) if phase in seen]


@dataclass(frozen=True, slots=True)
class _WaterfallCharts:
    starts: tuple[Chart, ...] = ()
    work: Chart | None = None


def _waterfall(fall: WaterfallView | None) -> _WaterfallCharts:
    if fall is None:
        return _WaterfallCharts()
    drawn = (waterfall_chart(one, str(place)) for place, one in enumerate(fall.starts))
    starts = tuple(chart for chart in drawn if chart)
    return _WaterfallCharts(starts, mechanisms_chart(fall.ratios))


def _chips(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The worst gates, and always the one that tells the A/A floor."""
    floor = [gate for gate in gates if gate.floor]
    first = [gate for gate in gates if not gate.floor][: MAX_CHIPS - len(floor)]
    return (*first, *floor)


def _own(source: str) -> Markup:
    return Markup(source)  # noqa: S704 — a file of this package


def _svg(chart: Chart) -> Markup:
    if chart.declined:
        return Markup('<p class="declined">{}</p>').format(chart.declined)
    figures = f'<div class="wide">{chart.wide}</div><div class="narrow">{chart.narrow}</div>'
    return Markup(figures)  # noqa: S704 — escaped by the chart's XML writer


def _policy(script: str) -> str:
    """Nothing is loaded, nothing sent, and no script runs but ours, known by its digest.

    Inline styles stay allowed: matplotlib writes its strokes and fills as such.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


def _resources(metrics: tuple[MetricView, ...]) -> list[str]:
    return list(dict.fromkeys(metric.resource for metric in metrics))
