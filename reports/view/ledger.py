"""The ledger as the report shows it: a card per claim, its forest plot, its evidence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reports import text
from reports.view.arms import BASELINE, unplanned
from reports.view.model import ArmView, Table
from results.ledger.findings import ClaimVerdict, Finding, Side, Verdict
from results.ledger.judge import Judgement
from results.ledger.rules import SHARES
from results.ledger.schema import Claim, Ledger
from results.looks import ClaimStop

Scale = Literal["speed", "times"]
"""``speed``: a share of the baseline's, right is better.  ``times``: candidate ÷ baseline."""

MOST_ROWS = 14
MOST_BLOCKS = 60
MOST_TABLES = 24

KEYS: Mapping[Verdict, str] = {
    "supported": "supported",
    "refuted": "refuted",
    "inconclusive": "inconclusive",
    "not evaluable": "unjudged",
}
"""Verdict → its CSS key."""


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One comparison as it is drawn."""

    label: str
    arm: ArmView
    ratio: float
    ends: tuple[float, float] | None
    """Each holds with 95 % certainty; None where declined."""
    claimed: tuple[float, float]
    """What the rule allows, 0 and ∞ included."""
    figure: str
    tip: str


@dataclass(frozen=True, slots=True)
class Forest:
    """The comparisons of one claim on one scale."""

    claim: str
    scale: Scale
    title: str
    rows: tuple[ForestRow, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on."""

    summary: str
    """What there is, in a few words."""
    comparisons: Table
    trials: tuple[Table, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One claim."""

    id: str
    claim: str
    verdict: Verdict
    key: str
    sentence: str
    source: str
    refuted_by: str
    warnings: tuple[str, ...]
    stopped: str
    """Why it got no more trials; empty where their number was fixed beforehand."""
    forests: tuple[Forest, ...]
    evidence: Evidence | None
    own: bool
    """It is the user's, not built in."""


@dataclass(frozen=True, slots=True)
class LedgerView:
    """Every claim: first those with something to say, then those that wait for data."""

    cards: tuple[Card, ...]
    waiting: tuple[Card, ...]
    summary: str
    counts: tuple[tuple[str, str, int], ...]
    """(key, word, how many) of each verdict that occurs."""
    digest: str
    floors: Table


def ledger_view(
    ledger: Ledger,
    judgement: Judgement,
    arms: Mapping[str, ArmView],
    stops: Sequence[ClaimStop] = (),
) -> LedgerView:
    """Cards in the ledger's order, those that the run can judge before those that it cannot.

    Args:
        ledger: every claim.
        judgement: what the run says of each.
        arms: the run's arms, for their colours.
        stops: of a run with a budget, why each claim got no more trials.
    """
    claims = {claim.id: claim for claim in ledger.claims}
    stopped = {stop.claim: stop for stop in stops}
    cards = [
        _card(claims[verdict.claim], verdict, arms, stopped.get(verdict.claim))
        for verdict in judgement.verdicts
    ]
    awaited = {claim.id for claim in ledger.claims if claim.awaits}
    counts = Counter(card.verdict for card in cards)
    return LedgerView(
        cards=_ordered(card for card in cards if card.id not in awaited),
        waiting=tuple(card for card in cards if card.id in awaited),
        summary=_summary(cards, len(awaited)),
        counts=tuple((key, word, counts[word]) for word, key in KEYS.items() if counts[word]),
        digest=judgement.digest[:12],
        floors=_floors(judgement),
    )


def _ordered(cards: Iterable[Card]) -> tuple[Card, ...]:
    return tuple(sorted(cards, key=lambda card: card.verdict == "not evaluable"))


def stop_words(stop: ClaimStop) -> str:
    """Why a claim got no more trials, in a sentence."""
    blocks = f"{stop.blocks} {_plural(stop.blocks, 'block', 'blocks')}"
    more = f"; about {stop.more} more would settle it" if stop.more else ""
    return {
        "decided": f"Settled after {blocks}, at a look planned beforehand.",
        "budget": f"The budget ended after {blocks}{more}.",
        "maximum": f"The run’s most blocks were reached, {stop.blocks}{more}.",
        "unanswerable": f"Left alone after {blocks}: what it lacks is not trials.",
    }[stop.reason]


def _summary(cards: Sequence[Card], awaited: int) -> str:
    counts = Counter(card.verdict for card in cards)
    held, not_held = counts["supported"], counts["refuted"]
    open_, absent = counts["inconclusive"], counts["not evaluable"] - awaited
    parts = [
        f"{held} {_plural(held, 'holds', 'hold')} on this machine" if held else "",
        f"{not_held} {_plural(not_held, 'does', 'do')} not hold" if not_held else "",
        f"{open_} {_plural(open_, 'is', 'are')} still open" if open_ else "",
        f"{absent} cannot be judged by what ran here" if absent else "",
    ]
    known = text.listed([part for part in parts if part]) or "none is left"
    judged = len(cards) - awaited
    claims = _plural(judged, "claim", "claims")
    said = f"Of {judged} {claims} that can be measured today, {known}."
    if awaited:
        said += f" {awaited} more {_plural(awaited, 'waits', 'wait')} for workloads to come."
    return said


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _card(
    claim: Claim, verdict: ClaimVerdict, arms: Mapping[str, ArmView], stop: ClaimStop | None
) -> Card:
    return Card(
        id=claim.id,
        claim=text.sentence(claim.claim, 600),
        verdict=verdict.verdict,
        key=KEYS[verdict.verdict],
        sentence=text.clean(verdict.sentence, 1500),
        source=text.sentence(claim.source, 600),
        refuted_by=text.sentence(claim.refuted_by, 600),
        warnings=tuple(text.sentence(each, 400) for each in verdict.warnings),
        stopped=stop_words(stop) if stop else "",
        forests=tuple(_forests(claim, verdict.findings, arms)),
        evidence=_evidence(claim.id, verdict.findings),
        own=claim.origin != "built in",
    )


def _forests(
    claim: Claim, findings: Sequence[Finding], arms: Mapping[str, ArmView]
) -> Iterator[Forest]:
    compared = [finding for finding in findings if finding.comparison is not None]
    for scale in ("speed", "times"):
        chosen = [each for each in compared if (each.rule.kind in SHARES) == (scale == "speed")]
        rows = tuple(row for each in chosen[:MOST_ROWS] if (row := _row(each, scale, arms)))
        if rows:
            title = text.clean(f"{claim.id}: {claim.claim}", 200)
            yield Forest(claim.id, "speed" if scale == "speed" else "times", title, rows)


def _row(finding: Finding, scale: str, arms: Mapping[str, ArmView]) -> ForestRow | None:
    found = finding.comparison
    if found is None or finding.direction not in ("higher", "lower"):
        return None
    ratio, low, high = found.ratio, found.equivalence_low, found.equivalence_high
    claimed = finding.rule.claimed("higher" if finding.direction == "higher" else "lower")
    if scale == "speed" and finding.direction == "lower":
        ratio, claimed = 1.0 / ratio, _turned(claimed)
        low, high = (None if end is None else 1.0 / end for end in (high, low))
    name = finding.candidate.arm
    against = (
        "" if finding.baseline.arm == BASELINE else f" ÷ {text.name(finding.baseline.arm, 16)}"
    )
    label = f"{text.name(name, 20)}{against}, {_short(finding.part)}"
    figure = text.times(ratio) if scale == "times" else text.percent(ratio)
    interval = "too few trials for an interval"
    if low is not None and high is not None:
        interval = f"{_figure(low, scale)} to {_figure(high, scale)}, each end 95 % certain"
    return ForestRow(
        label=label,
        arm=arms.get(name) or unplanned(name),
        ratio=ratio,
        ends=None if low is None or high is None else (low, high),
        claimed=claimed,
        figure=figure,
        tip=f"{label} against {text.name(finding.baseline.arm, 24)}: {figure} ({interval}). "
        f"{finding.verdict}",
    )


def _short(part: str) -> str:
    """A quantity's name for a label: ``first byte of an idle box``."""
    return text.name(part.removeprefix("time to the "), 36)


def _turned(claimed: tuple[float, float]) -> tuple[float, float]:
    low, high = claimed
    return (0.0 if math.isinf(high) else 1.0 / high), (math.inf if low == 0.0 else 1.0 / low)


def _figure(ratio: float, scale: str) -> str:
    return text.times(ratio) if scale == "times" else text.percent(ratio)


def _evidence(claim: str, findings: Sequence[Finding]) -> Evidence | None:
    if not findings:
        return None
    rows = tuple(_comparison(finding) for finding in findings)
    head = ("Quantity", "Arms", "Blocks", "Ratio", "Interval", "A/A floor", "Left out", "Verdict")
    compared = [finding for finding in findings if finding.comparison is not None]
    notes = dict.fromkeys(
        text.sentence(note, 400)
        for finding in compared
        if finding.comparison
        for note in (f"How: {finding.comparison.method}", *finding.warnings)
    )
    return Evidence(
        summary=_what_there_is(compared),
        comparisons=Table(f"{claim}: comparisons", head, rows),
        trials=tuple(
            _trials(f"{claim}, {place}", finding)
            for place, finding in enumerate(compared[:MOST_TABLES], 1)
        ),
        notes=tuple(notes),
    )


def _what_there_is(compared: Sequence[Finding]) -> str:
    if not compared:
        return "What was looked for"
    trials = {
        trial
        for finding in compared
        for side in (finding.baseline, finding.candidate)
        for trial in side.trials
    }
    count = f"{len(compared)} {_plural(len(compared), 'comparison', 'comparisons')}"
    return f"Evidence: {count} of {len(trials)} trials"


def _comparison(finding: Finding) -> tuple[str, ...]:
    found = finding.comparison
    arms = f"{text.name(finding.candidate.arm)} ÷ {text.name(finding.baseline.arm)}"
    verdict = f"{finding.verdict}: {finding.why}" if finding.why else finding.verdict
    if found is None:
        shown = arms if finding.candidate.arm else text.NOTHING
        dashes = (text.NOTHING,) * 4
        return (
            text.name(finding.part),
            shown,
            *dashes,
            _left_out(finding),
            text.clean(verdict, 400),
        )
    interval = "too few trials"
    if found.equivalence_low is not None and found.equivalence_high is not None:
        interval = f"{text.times(found.equivalence_low)} – {text.times(found.equivalence_high)}"
    floor = text.NOTHING if finding.floor is None else f"±{text.percent(finding.floor, 1)}"
    return (
        f"{text.name(finding.part)} ({finding.rule.words})",
        arms,
        str(found.n_units),
        text.times(found.ratio),
        interval,
        floor,
        _left_out(finding),
        text.clean(verdict, 400),
    )


def _left_out(finding: Finding) -> str:
    said = []
    for side in (finding.baseline, finding.candidate):
        for reason, count in side.invalid.items():
            said.append(f"{count} of {text.name(side.arm, 24)} ({text.clean(reason, 80)})")
    return "; ".join(said) or "none"


def _trials(place: str, finding: Finding) -> Table:
    """Block by block: what each arm did, and their ratio."""
    base, other = finding.baseline, finding.candidate
    blocks = sorted({*base.blocks, *other.blocks})
    rows = []
    for block in blocks[:MOST_BLOCKS]:
        ours, theirs = _mean(other, block), _mean(base, block)
        ratio = text.NOTHING
        if ours is not None and theirs is not None and theirs > 0.0:
            ratio = text.times(ours / theirs)
        cells = (
            text.NOTHING if value is None else text.quantity(value, finding.unit)
            for value in (theirs, ours)
        )
        rows.append((str(block), *cells, ratio, ", ".join(_ids(other, block) or _ids(base, block))))
    arms = f"{text.name(other.arm)} against {text.name(base.arm)}"
    caption = f"{place}: {text.name(finding.part)}, {arms}"
    if len(blocks) > MOST_BLOCKS:
        caption += f", the first {MOST_BLOCKS} of {len(blocks)} blocks"
    head = ("Block", text.name(base.arm), text.name(other.arm), "Ratio", "Trial")
    return Table(caption, head, tuple(rows))


def _mean(side: Side, block: int) -> float | None:
    """Geometric mean of the arm's trials in the block, as the statistics take it."""
    values = [v for b, v in zip(side.blocks, side.means, strict=True) if b == block and v > 0.0]
    return math.exp(math.fsum(map(math.log, values)) / len(values)) if values else None


def _ids(side: Side, block: int) -> list[str]:
    pairs = zip(side.blocks, side.trials, strict=True)
    return [text.name(trial, 80) for b, trial in pairs if b == block]


def _floors(judgement: Judgement) -> Table:
    rows = []
    for (workload, metric), floor in judgement.floors.items():
        effect = text.NOTHING if floor.effect is None else f"±{text.percent(floor.effect, 2)}"
        cells = (effect, str(floor.n), text.clean(floor.reason, 200) or text.NOTHING)
        rows.append((text.name(workload), text.heading(metric), *cells))
    head = ("Workload", "Metric", "Smallest effect", "Blocks", "Why unknown")
    return Table("Smallest effect this machine can show, per metric", head, tuple(rows))
