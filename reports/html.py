"""One self-contained HTML page from a report's view: template, style, script and charts inlined.

Everything from the data passes autoescaping.  Three kinds of text are taken as they are: this
package's own style sheet and script, and the SVG that its chart writer made and escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
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
from reports.faults import Faults
from reports.view.beside import BesideView
from reports.view.ledger import LedgerView
from reports.view.model import Gate, MetricView, PhaseBar
from reports.view.page import ReportView
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


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: ``templates/sections/<name>.html.j2``."""

    name: str
    title: str
    """Where it could not be made."""
    content: Callable[[], Mapping[str, object] | None]
    """What its template shows beside the view; None: nothing, the section is left out."""


def render(view: ReportView, ledger: LedgerView | None = None, faults: Faults | None = None) -> str:
    """The page.  The same bytes for the same views.

    Args:
        view: what it shows.
        ledger: the claims and their verdicts; None: no claims on the page.
        faults: what of the view could not be made, and is told in its place; collects the sections
            that cannot be made.  None: their errors are raised.
    """
    faults = faults or Faults(strict=True)
    environment = _environment()
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    sections = [_section(environment, each, view, faults) for each in _sections(view, ledger)]
    return environment.get_template("report.html.j2").render(
        view=view,
        chips=faults.make("believe", lambda: _chips(view.gates), ()),
        css=_own(_styles()),
        script=_own(script),
        policy=_policy(script),
        sections=[section for section in sections if section],
        level_icons=LEVEL_ICONS,
    )


def _sections(view: ReportView, ledger: LedgerView | None) -> Sequence[Section]:
    """From top to bottom."""
    starts = [metric for metric in view.metrics if metric.resource == "startup" and metric.primary]
    return (
        Section("ledger", "Do the usual claims hold on this machine?", lambda: _claims(ledger)),
        Section("answer", "In short", dict),
        Section("believe", "What may be believed", dict),
        Section("controls", "Arms", lambda: {"resources": _resources(view.metrics)}),
        Section("waterfall", "Where the cost comes from", lambda: _waterfall(view.waterfall)),
        Section(
            "speed",
            "How fast is the same work in each box?",
            lambda: _where_any("speed", speed_charts(view.metrics)),
        ),
        Section("beside", "Published beside yours", lambda: _beside(view.beside)),
        Section("startup", "How long until a box answers?", lambda: _startup(view, starts)),
        Section(
            "footprint",
            "What does one idle instance take?",
            lambda: _where_any("footprint", footprint_charts(view.metrics, view.daemons)),
        ),
        Section("figures", "All figures", dict),
        Section(
            "evidence", "Evidence for each verdict", lambda: {"ledger": ledger} if ledger else None
        ),
        Section("failed", "Trials that do not count", dict),
        Section("environment", "Environment, and how to repeat it", dict),
        Section("published", "Published elsewhere", lambda: {} if view.published.rows else None),
        Section("words", "Words", dict),
    )


def _section(
    environment: jinja2.Environment, section: Section, view: ReportView, faults: Faults
) -> Markup:
    """The section's markup, or the sentence that stands in its place; empty for nothing to show."""
    made = faults.make(section.name, lambda: _filled(environment, section, view), Markup())
    broken = faults.of(section.name)
    if not broken:
        return made
    sentences = dict.fromkeys(fault.sentence for fault in broken)
    template = environment.get_template("sections/fault.html.j2")
    page = template.render(name=section.name, title=section.title, sentences=list(sentences))
    return _own(page)


def _filled(environment: jinja2.Environment, section: Section, view: ReportView) -> Markup:
    content = section.content()
    if content is None:
        return Markup()
    template = environment.get_template(f"sections/{section.name}.html.j2")
    page = template.render(
        view=view,
        failures=view.failures[:MAX_FAILURES],
        level_words=LEVEL_WORDS,
        level_icons=LEVEL_ICONS,
        verdict_icons=VERDICT_ICONS,
        **content,
    )
    return _own(page)


def _where_any(name: str, charts: Sequence[Chart]) -> Mapping[str, object] | None:
    return {name: charts} if charts else None


def _beside(beside: BesideView | None) -> Mapping[str, object] | None:
    return {"beside": beside, "beside_charts": beside_charts(beside)} if beside else None


def _claims(ledger: LedgerView | None) -> Mapping[str, object] | None:
    return {"ledger": ledger, "forests": _forests(ledger)} if ledger else None


def _startup(view: ReportView, starts: Sequence[MetricView]) -> Mapping[str, object] | None:
    ecdfs = [chart for metric in starts[:1] if (chart := ecdf_chart(metric))]
    phases = phases_chart(view.phases)
    if not ecdfs and not phases:
        return None
    return {"ecdfs": ecdfs, "phases": phases, "phase_labels": _phase_labels(view.phases)}


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


def _forests(ledger: LedgerView) -> dict[str, tuple[Chart, ...]]:
    """Claim id → its plots, for every card."""
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


def _waterfall(fall: WaterfallView | None) -> Mapping[str, object] | None:
    if fall is None:
        return None
    drawn = (waterfall_chart(one, str(place)) for place, one in enumerate(fall.starts))
    starts = tuple(chart for chart in drawn if chart)
    return {"fall": fall, "charts": _WaterfallCharts(starts, mechanisms_chart(fall.ratios))}


def _chips(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The worst gates, and always the one that tells the A/A floor."""
    floor = [gate for gate in gates if gate.floor]
    first = [gate for gate in gates if not gate.floor][: MAX_CHIPS - len(floor)]
    return (*first, *floor)


def _own(source: str) -> Markup:
    return Markup(source)  # noqa: S704 — a file of this package, or a page made from one


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
