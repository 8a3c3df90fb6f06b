"""What a claim's verdict rests on: tables of its comparisons, down to the trials of each block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports import text
from reports.view.model import Table
from results.ledger.findings import Finding, Side
from results.ledger.judge.judge import Judgement

MOST_BLOCKS = 60
MOST_TABLES = 24


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on."""

    summary: str
    """What there is, in a few words."""
    comparisons: Table
    trials: tuple[Table, ...]
    notes: tuple[str, ...]


def evidence_of(claim: str, findings: Sequence[Finding]) -> Evidence | None:
    """Everything that was compared; None where nothing was looked for."""
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
    count = f"{len(compared)} {'comparison' if len(compared) == 1 else 'comparisons'}"
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
        ends = text.times(found.equivalence_low), text.times(found.equivalence_high)
        interval = {"at-least": f"{ends[0]} at least", "at-most": f"{ends[1]} at most"}.get(
            finding.bound or "", f"{ends[0]} – {ends[1]}"
        )
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


def floors_of(judgement: Judgement) -> Table:
    """The smallest effect that this machine can show, per metric."""
    rows = []
    for (workload, metric), floor in judgement.floors.items():
        effect = text.NOTHING if floor.effect is None else f"±{text.percent(floor.effect, 2)}"
        cells = (effect, str(floor.n), text.clean(floor.reason, 200) or text.NOTHING)
        rows.append((text.name(workload), text.heading(metric), *cells))
    head = ("Workload", "Metric", "Smallest effect", "Blocks", "Why unknown")
    return Table("Smallest effect this machine can show, per metric", head, tuple(rows))
