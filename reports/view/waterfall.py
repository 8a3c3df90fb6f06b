"""Where the cost comes from: the waterfall's steps as rows of charts and of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import pandas as pd

from reports import text
from reports.view.model import ArmView, Tone
from results.records import Run
from results.waterfall import CONFIDENCE, Change, Finding, Step, Waterfall, waterfalls

MINUS = "\N{MINUS SIGN}"
DEAREST = 3
"""How many of the dearest steps the lead names."""

SHORT = {
    "cpu": "CPU",
    "memory": "Memory",
    "network": "Network",
    "storage": "Storage",
    "system": "System call",
    "application": "Application",
}
"""Resource → the head of its column."""

TONES: Mapping[Finding, Tone] = {
    "first": "plain",
    "costs": "cost",
    "saves": "gain",
    "unclear": "same",
    "few": "none",
}
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


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table."""

    figure: str
    remark: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class FallTableRow:
    """One rung of the table."""

    label: str
    adds: str
    arm: str
    tier: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class WaterfallView:
    """The whole section."""

    lead: str
    floor: str
    """What this machine can show, in a sentence."""
    starts: tuple[Fall, ...]
    """Time, the main one first."""
    ratios: tuple[Fall, ...]
    head: tuple[str, ...]
    table: tuple[FallTableRow, ...]
    confidence: float = CONFIDENCE


def waterfall_view(
    run: Run, samples: pd.DataFrame, arms: Mapping[str, ArmView]
) -> WaterfallView | None:
    """The section; None where the run has no waterfall.

    Args:
        run: run.json.
        samples: as ``results.frame.load`` gives them.
        arms: those that the rest of the report shows.
    """
    found = waterfalls(run, samples)
    if not found:
        return None
    starts = sorted(
        (one for one in found if one.kind == "difference"),
        key=lambda one: (one.workload != "startup.idle", not one.primary),
    )
    ratios = [one for one in found if one.kind == "ratio"]
    falls = tuple(_fall(one, arms) for one in starts)
    others = tuple(_fall(one, arms) for one in ratios)
    head, table = _table(starts, ratios, falls, others)
    return WaterfallView(
        lead=_lead(falls[0]) if falls else "",
        floor=_floor(falls[0]) if falls else "",
        starts=falls,
        ratios=others,
        head=head,
        table=table,
    )


def stepping(run: Run) -> frozenset[tuple[str, str]]:
    """(backend, profile) of the waterfall's own steps: shown in its section and nowhere else."""
    return frozenset((arm.backend, arm.profile) for arm in run.arms if arm.step is not None)


def signed(value: float, unit: str) -> str:
    """``+0.42 ms``."""
    return f"{MINUS if value < 0 else '+'}{text.quantity(abs(value), unit)}"


def speed(ratio: float) -> str:
    """A ratio as what is gained or lost: ``−26 %``."""
    change = ratio - 1
    return f"{MINUS if change < 0 else '+'}{text.percent(abs(change), 1)}"


def _fall(one: Waterfall, arms: Mapping[str, ArmView]) -> Fall:
    return Fall(
        title=text.name(one.title),
        short=SHORT.get(one.resource, text.name(one.title, 24)),
        resource=text.name(one.resource),
        unit=one.unit,
        rows=tuple(_rows(one, arms)),
        floor=one.floor,
        direction=one.direction,
    )


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


def _lead(fall: Fall) -> str:
    """What the main waterfall says, in sentences."""
    own = [row for row in fall.rows if not row.tier]
    tiers = [row for row in fall.rows if row.tier]
    if not own:
        return ""
    first, last = own[0], own[-1]
    at = {row.label: text.quantity(row.median, fall.unit) for row in fall.rows}
    begin = f"A box begins as a plain process, which says its first byte after {at[first.label]}"
    whole = "with every mechanism it is a container" if last.last else f"with {last.label}"
    said = [f"{begin}, and {whole}, after {at[last.label]}."]
    told = sorted(
        (row for row in own if row.finding == "costs" and row.change),
        key=lambda row: -(row.change.value if row.change else 0.0),
    )
    if told:
        words = [f"{row.label} ({row.figure})" for row in told[:DEAREST]]
        verb = "The dearest steps are" if len(words) > 1 else "The dearest step is"
        said.append(f"{verb} {text.listed(words)}.")
    elif all(row.finding in {"few", "first"} for row in own):
        said.append("There are too few blocks yet for intervals, so no step is called a cost.")
    else:
        said.append("No single step is told from nothing.")
    engines = [f"{row.label} {at[row.label]}" for row in tiers]
    if engines:
        said.append(f"Other engines take longer for the same box: {text.listed(engines)}.")
        share = last.median / tiers[-1].median
        if share < 1:
            said.append(
                f"All of the kernel's mechanisms together are {text.percent(share)} of what "
                f"{tiers[-1].label} takes."
            )
    return " ".join(said)


def _floor(fall: Fall) -> str:
    if fall.floor is None:
        return (
            "What native differs from itself is not known yet, so a step is told by its interval "
            "alone."
        )
    least = text.quantity(fall.floor, fall.unit)
    return f"Native differed from itself by up to {least}: smaller steps are not told from nothing."


def _table(
    starts: Sequence[Waterfall],
    ratios: Sequence[Waterfall],
    falls: Sequence[Fall],
    others: Sequence[Fall],
) -> tuple[tuple[str, ...], tuple[FallTableRow, ...]]:
    """One row per rung, one column per metric; two for the main one."""
    head = [*_heads(falls), *(f"{fall.short}, step" for fall in others)]
    order: dict[str, tuple[str, str, bool]] = {}
    for one in (*starts, *ratios):
        for step in one.steps:
            rung = step.rung
            mechanism = text.name(rung.mechanism, 30)
            order.setdefault(rung.arm, (mechanism, text.sentence(rung.adds), rung.tier))
    ranked = [step.rung.arm for step in max((*starts, *ratios), key=lambda w: len(w.steps)).steps]
    ranked += [arm for arm in order if arm not in ranked]
    rows = tuple(
        FallTableRow(
            label=order[arm][0],
            adds=order[arm][1],
            arm=text.name(arm, 32),
            tier=order[arm][2],
            cells=tuple(_cells(arm, falls, others)),
        )
        for arm in ranked
    )
    return tuple(head), rows


def _heads(falls: Sequence[Fall]) -> Iterator[str]:
    for index, fall in enumerate(falls):
        if not index:
            yield "First byte, so far"
            yield "First byte, step"
        else:
            yield f"{fall.title}, step"


def _cells(arm: str, falls: Sequence[Fall], others: Sequence[Fall]) -> Iterator[Cell]:
    shown = text.name(arm, 32)
    for index, fall in enumerate((*falls, *others)):
        row = next((row for row in fall.rows if row.arm == shown), None)
        if not index:
            yield Cell(text.quantity(row.median, fall.unit) if row else text.NOTHING, "", "plain")
        if row is None or row.change is None:
            remark = READINGS[row.finding] if row else "not part of it"
            yield Cell(text.NOTHING, remark, "plain")
            continue
        remark = row.ends or READINGS[row.finding]
        unclear = f"{remark}: {READINGS['unclear']}" if row.finding == "unclear" else remark
        yield Cell(row.figure, unclear, TONES[row.finding])
