"""The ledger as the report shows it: a card per claim, its forest plot, its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reports import text
from reports.view.evidence import Evidence, evidence_of, floors_of
from reports.view.forests import Forest, forests_of
from reports.view.model import ArmView, Table
from results.ledger.claims.schema import Claim, Ledger
from results.ledger.findings import ClaimVerdict, PartVerdict, Verdict
from results.ledger.judge.judge import Judgement
from results.records.looks import ClaimStop

KEYS: Mapping[Verdict, str] = {
    "supported": "supported",
    "refuted": "refuted",
    "mixed": "mixed",
    "inconclusive": "inconclusive",
    "not evaluable": "unjudged",
}
"""Verdict → its CSS key."""


@dataclass(frozen=True, slots=True)
class PartLine:
    """One part of a claim."""

    name: str
    verdict: str
    """In words, a bound marked as such."""
    key: str
    said: str


@dataclass(frozen=True, slots=True)
class Card:
    """One claim."""

    id: str
    claim: str
    verdict: Verdict
    key: str
    sentence: str
    parts: tuple[PartLine, ...]
    """Where there are several."""
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
        floors=floors_of(judgement),
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
    held, not_held, in_part = counts["supported"], counts["refuted"], counts["mixed"]
    open_, absent = counts["inconclusive"], counts["not evaluable"] - awaited
    parts = [
        f"{held} {_plural(held, 'holds', 'hold')} on this machine" if held else "",
        f"{not_held} {_plural(not_held, 'does', 'do')} not hold" if not_held else "",
        f"{in_part} {_plural(in_part, 'holds', 'hold')} in part" if in_part else "",
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


def _card(
    claim: Claim, verdict: ClaimVerdict, arms: Mapping[str, ArmView], stop: ClaimStop | None
) -> Card:
    return Card(
        id=claim.id,
        claim=text.sentence(claim.claim, 600),
        verdict=verdict.verdict,
        key=KEYS[verdict.verdict],
        sentence=text.clean(verdict.sentence, 1500),
        parts=part_lines(verdict),
        source=text.sentence(claim.source, 600),
        refuted_by=text.sentence(claim.refuted_by, 600),
        warnings=tuple(text.sentence(each, 400) for each in verdict.warnings),
        stopped=stop_words(stop) if stop else "",
        forests=tuple(forests_of(claim, verdict.findings, arms)),
        evidence=evidence_of(claim.id, verdict.findings),
        own=claim.origin != "built in",
    )


def part_lines(verdict: ClaimVerdict) -> tuple[PartLine, ...]:
    """The parts one by one; none where there is but one, or nothing to say of any."""
    if len(verdict.parts) < 2 or verdict.verdict == "not evaluable":
        return ()
    return tuple(
        PartLine(
            name=text.name(part.name, 120),
            verdict=part_word(part),
            key=KEYS[part.verdict],
            said=text.sentence(part.said, 400),
        )
        for part in verdict.parts
    )


def part_word(part: PartVerdict) -> str:
    """``supported``, ``supported by a bound``, ``not measured``."""
    if not part.measured:
        return "not measured"
    return f"{part.verdict} by a bound" if part.bounded else part.verdict


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
