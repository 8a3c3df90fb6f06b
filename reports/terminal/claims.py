"""``invoke claims``: the ledger, with the verdicts of a run where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from reports import text
from reports.view.ledger import part_lines
from results.gating.price import told
from results.ledger.claims.load import load
from results.ledger.claims.schema import Claim, Ledger
from results.ledger.claims.vocabulary import Known, widened
from results.ledger.findings import ClaimVerdict, PartVerdict, Verdict
from results.ledger.outcome import Outcome, judge_run
from results.records.looks import ClaimStop
from results.store.contents import Contents
from results.store.damage import NAMED
from results.store.store import RunDirectory, latest, names

LOOKS: Mapping[Verdict, tuple[str, str]] = {
    "supported": ("✓", "green"),
    "refuted": ("✗", "red"),
    "mixed": ("◐", "blue"),
    "inconclusive": ("?", "yellow"),
    "not evaluable": ("–", "dim"),
}


def word(verdict: Verdict) -> Text:
    """The verdict with its icon and colour."""
    icon, style = LOOKS[verdict]
    return Text(f"{icon} {verdict}", style=style)


def headed(verdict: ClaimVerdict) -> Text:
    """The verdict with its icon, its colour and what belongs to it."""
    icon, style = LOOKS[verdict.verdict]
    return Text(f"{icon} {text.clean(verdict.headline, 600)}", style=style)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one command shows, for people and for programs."""

    lines: tuple[RenderableType, ...]
    document: dict[str, Any]
    damage: tuple[str, ...] = ()
    """What is damaged in the run's files and was left out."""


def shown(lines: Sequence[RenderableType], document: dict[str, Any], contents: Contents) -> Shown:
    """What a command shows of a run, with what does not hold in its files."""
    caution = contents.caution
    noted = [Text(f"! {text.sentence(caution)}", style="yellow")] if caution else []
    return Shown(
        (*lines, *noted),
        {**document, "damage": list(contents.told(NAMED)), "unchecked": contents.unchecked},
        contents.told(),
    )


def look(root: Path, run: str | None, own: str | None, known: Known) -> Shown:
    """The ledger, judged by the run called ``run``, or the latest below ``root``, or by none.

    Raises:
        StoreError, LedgerError: as ``results.ledger.outcome``.
    """
    path = Path(own) if own else None
    if run is None and not names(root):
        ledger = load(path, known)
        why = "no run yet: make one with “invoke bench”"
        return Shown(tuple(claims_view(ledger, None, why)), claims_document(ledger, None))
    directory = RunDirectory.open(run, root) if run else latest(root)
    outcome = judge_run(directory, own=path, known=widened(known, directory.run()))
    return shown(
        claims_view(outcome.ledger, outcome),
        claims_document(outcome.ledger, outcome),
        directory.contents(),
    )


def claims_view(ledger: Ledger, outcome: Outcome | None, why_not: str = "") -> list[RenderableType]:
    """The ledger as a table.

    Args:
        ledger: every claim.
        outcome: a judged run, or None where there is no run yet.
        why_not: why there is none.
    """
    judged = {each.claim: each for each in outcome.judgement.verdicts} if outcome else {}
    title = f"Claims, judged by run {outcome.run.run_id}" if outcome else "Claims, not judged"
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("claim", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what was found", overflow="fold", ratio=1)
    for claim in ledger.claims:
        if not claim.awaits:
            table.add_row(*_cells(claim, judged.get(claim.id)))
    said: list[RenderableType] = [table, *_waiting(ledger)]
    if outcome is not None:
        said += [Text(text.clean(line, 900)) for line in (told(outcome.run.cautions),) if line]
        said += [Text(text.clean(note, 600)) for note in outcome.run.notes]
    if why_not:
        said.append(Text(why_not))
    if outcome is not None:
        said.append(Text("how one came about: invoke explain CLAIM --run " + outcome.run.run_id))
    return said


def _waiting(ledger: Ledger) -> Iterator[RenderableType]:
    """Claims that no run can hold yet, in a line each."""
    waiting = [claim for claim in ledger.claims if claim.awaits]
    if not waiting:
        return
    table = Table(title="Not evaluable: not yet measured", title_justify="left")
    table.add_column("claim", no_wrap=True)
    table.add_column("in words", overflow="fold", ratio=1)
    table.add_column("waits for", overflow="fold", ratio=1)
    for claim in waiting:
        table.add_row(Text(claim.id), Text(claim.claim), Text(claim.awaits))
    yield table


def _cells(claim: Claim, verdict: ClaimVerdict | None) -> tuple[Text, Text, Text]:
    found = Text(claim.claim, style="bold")
    if verdict is not None:
        found.append("\n" + text.clean(verdict.sentence, 2000), style="not bold")
        for line in by_part(verdict):
            found.append("\n").append_text(line)
        return Text(claim.id), word(verdict.verdict), found
    found.append("\n" + _rules(claim), style="not bold")
    return Text(claim.id), Text("–", style="dim"), found


def by_part(verdict: ClaimVerdict) -> Iterator[Text]:
    """A line for each part of a claim that has several."""
    for part, line in zip(verdict.parts, part_lines(verdict), strict=False):
        icon, style = LOOKS[part.verdict]
        yield Text(f"{icon} {line.name}: {line.verdict}", style=f"not bold {style}")


def _rules(claim: Claim) -> str:
    """How it is judged, where there is nothing to judge yet."""
    lines = dict.fromkeys(
        f"{part.name}: {part.rule.words}" + (f", waits for {part.awaits}" if part.awaits else "")
        for part in claim.parts
    )
    return "; ".join(lines)


def claims_document(ledger: Ledger, outcome: Outcome | None) -> dict[str, Any]:
    """The same for programs."""
    verdicts = outcome.judgement.verdicts if outcome else ()
    judged = {verdict.claim: verdict for verdict in verdicts}
    stopped = {stop.claim: stop for stop in outcome.run.stops} if outcome else {}
    return {
        "ledger": ledger.digest,
        "run_id": outcome.run.run_id if outcome else None,
        "cautions": [asdict(each) for each in outcome.run.cautions] if outcome else [],
        "notes": list(outcome.run.notes) if outcome else [],
        "claims": [
            {
                "id": claim.id,
                "claim": claim.claim,
                "source": claim.source,
                "refuted_by": claim.refuted_by,
                "origin": claim.origin,
                "parts": list(_parts(claim)),
                "awaits": claim.awaits or None,
                **_judged(judged.get(claim.id)),
                "stopped": _stopped(stopped.get(claim.id)),
            }
            for claim in ledger.claims
        ],
    }


def _parts(claim: Claim) -> Iterator[dict[str, object]]:
    for part in claim.parts:
        yield {
            "name": part.name,
            "workload": part.workload or None,
            "metric": part.metric or None,
            "rule": part.rule.kind,
            "limit": part.rule.value,
            "baseline": part.baseline,
            "candidates": list(part.candidates),
            "awaits": part.awaits or None,
        }


def _judged(verdict: ClaimVerdict | None) -> dict[str, object]:
    if verdict is None:
        return {"verdict": None}
    return {
        "verdict": verdict.verdict,
        "headline": verdict.headline,
        "sentence": verdict.sentence,
        "by_part": [_part(part) for part in verdict.parts],
        "more_blocks": verdict.more,
        "more_seconds": verdict.more_s,
        "warnings": list(verdict.warnings),
        "comparisons": list(_comparisons(verdict)),
    }


def _part(part: PartVerdict) -> dict[str, object]:
    return {
        "name": part.name,
        "verdict": part.verdict,
        "measured": part.measured,
        "by_a_bound": part.bounded,
        "said": part.said,
        "holds_for": list(part.holds),
        "fails_for": list(part.fails),
        "more_blocks": part.more,
        "more_seconds": part.more_s,
    }


def _stopped(stop: ClaimStop | None) -> dict[str, object] | None:
    """Why it got no more trials, in a run with a budget."""
    if stop is None:
        return None
    return {"reason": stop.reason, "blocks": stop.blocks, "more_blocks": stop.more}


def _comparisons(verdict: ClaimVerdict) -> Sequence[dict[str, object]]:
    return [
        {
            "part": finding.part,
            "baseline": finding.baseline.arm or None,
            "candidate": finding.candidate.arm or None,
            "verdict": finding.verdict,
            "why": finding.why or None,
            "ratio": finding.comparison.ratio if finding.comparison else None,
            "low": finding.comparison.equivalence_low if finding.comparison else None,
            "high": finding.comparison.equivalence_high if finding.comparison else None,
            "blocks": finding.comparison.n_units if finding.comparison else 0,
            "floor": finding.floor,
            "more_blocks": finding.more,
            "more_seconds": finding.more_s,
            "bound": finding.bound,
            "decided_at_blocks": finding.decided_at,
        }
        for finding in verdict.findings
    ]
