"""The waterfall's steps as rows: what a chart draws of each, and a table says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass

from reports import text
from reports.view.model import ArmView
from results.waterfall import Change, Finding, Step, Waterfall

MINUS = "\N{MINUS SIGN}"

SHORT = {
    "cpu": "CPU",
    "memory": "Memory",
    "network": "Network",
    "storage": "Storage",
    "system": "System call",
    "application": "Application",
}
"""Resource → the head of its column."""

READINGS: Mapping[Finding, str] = {
    "first": "where it begins",
    "costs": "costs",
    "saves": "saves",
    "unclear": "not told from nothing",
    "few": "too few blocks to say",
}


@dataclass(frozen=True, slots=True)
class FallRow:
    """One rung in one metric."""

    arm: str
    label: str
    """The mechanism."""
    together: int
    """Mechanisms that it adds; more than one where those between have no value."""
    tier: bool
    last: bool
    slot: int | None
    """Colour of an arm that the rest of the report shows, too."""
    median: float
    begin: float
    """Where its bar begins: what the steps before it add up to."""
    end: float
    """Where its bar ends."""
    change: Change | None
    overall: Change | None
    finding: Finding
    figure: str
    """The change in a word: ``+0.42 ms``, ``−26 %``."""
    ends: str
    """Its interval; empty where declined."""
    tip: str


@dataclass(frozen=True, slots=True)
class Fall:
    """One metric along all rungs."""

    title: str
    short: str
    resource: str
    unit: str
    rows: tuple[FallRow, ...]
    floor: float | None
    """In the unit for start-ups, a margin for ratios."""
    direction: str

    @property
    def rest(self) -> float:
        """What all mechanisms together take beyond what they add up to one by one."""
        own = [row for row in self.rows if not row.tier]
        return own[-1].median - own[-1].end if own else 0.0


def fall_of(one: Waterfall, arms: Mapping[str, ArmView]) -> Fall:
    """One metric's rows, in the order of its rungs."""
    return Fall(
        title=text.name(one.title),
        short=SHORT.get(one.resource, text.name(one.title, 24)),
        resource=text.name(one.resource),
        unit=one.unit,
        rows=tuple(_rows(one, arms)),
        floor=one.floor,
        direction=one.direction,
    )


def signed(value: float, unit: str) -> str:
    """``+0.42 ms``."""
    return f"{MINUS if value < 0 else '+'}{text.quantity(abs(value), unit)}"


def speed(ratio: float) -> str:
    """A ratio as what is gained or lost: ``−26 %``."""
    change = ratio - 1
    return f"{MINUS if change < 0 else '+'}{text.percent(abs(change), 1)}"


def _rows(one: Waterfall, arms: Mapping[str, ArmView]) -> Iterator[FallRow]:
    """Each from where the one before it ended; engines from all mechanisms together."""
    before: FallRow | None = None
    for step in one.steps:
        whole = before is not None and step.rung.tier and not before.tier
        begin = 0.0 if before is None else before.median if whole else before.end
        before = _row(one, step, begin, arms.get(step.rung.arm))
        yield before


def _row(one: Waterfall, step: Step, begin: float, arm: ArmView | None) -> FallRow:
    figure, ends = _figures(one, step)
    label = text.name(step.rung.mechanism, 30)
    more = f" and the {step.together - 1} before it" if step.together > 1 else ""
    span = f" ({ends})" if ends else ""
    read = READINGS[step.finding]
    said = f"{figure}{span}, {read}" if step.change else read
    now = text.quantity(step.median, one.unit)
    return FallRow(
        arm=text.name(step.rung.arm, 32),
        label=label,
        together=step.together,
        tier=step.rung.tier,
        last=step.rung.last,
        slot=arm.slot if arm else None,
        median=step.median,
        begin=begin,
        end=begin + step.change.value if step.change else step.median,
        change=step.change,
        overall=step.overall,
        finding=step.finding,
        figure=figure,
        ends=ends,
        tip=f"{label}{more}: {said}. Then {now}, median of {step.n} trials.",
    )


def _figures(one: Waterfall, step: Step) -> tuple[str, str]:
    change = step.change
    if change is None:
        began = step.finding == "first"
        return (text.quantity(step.median, one.unit) if began else text.NOTHING), ""
    if one.kind == "ratio":
        said = tuple(None if end is None else speed(end) for end in astuple(change))
    else:
        said = tuple(None if end is None else signed(end, one.unit) for end in astuple(change))
    figure, low, high = said
    return figure or text.NOTHING, f"{low} to {high}" if low and high else ""
