"""``invoke explain``: how one verdict came about, down to the trials."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import RenderableType
from rich.rule import Rule as Line
from rich.table import Table
from rich.text import Text

from reports import text
from reports.terminal.claims import Shown, headed, shown, word
from reports.view.ledger import part_word, stop_words
from results.ledger import numbers
from results.ledger.claims.errors import LedgerError
from results.ledger.claims.rules import MEANINGS
from results.ledger.claims.schema import Claim
from results.ledger.claims.vocabulary import Known, widened
from results.ledger.findings import ClaimVerdict, Finding, PartVerdict, Side
from results.ledger.outcome import Outcome, judge_run
from results.records.records import Trial, arm_name
from results.stats import Comparison
from results.stats.interleaved import Carried
from results.store.store import RunDirectory

MOST_EXCLUDED = 40


def look(directory: RunDirectory, name: str, own: str | None, known: Known) -> Shown:
    """How the verdict on the claim called ``name`` came about in a run.

    Raises:
        StoreError, LedgerError: as ``results.ledger.outcome``, or there is no such claim.
    """
    outcome = judge_run(
        directory, own=Path(own) if own else None, known=widened(known, directory.run())
    )
    claim = outcome.ledger.claim(name)
    if claim is None:
        ids = [each.id for each in outcome.ledger.claims]
        near = difflib.get_close_matches(name, ids, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise LedgerError(f"no claim is called {name!r:.80}", f"{hint}valid: {', '.join(ids)}")
    verdict = next(each for each in outcome.judgement.verdicts if each.claim == name)
    document = {"definition": claim, "verdict": verdict, "run_id": outcome.run.run_id}
    return shown(
        explain_view(claim, verdict, outcome, directory.trials()),
        msgspec.to_builtins(document),
        directory.contents(),
    )


def explain_view(
    claim: Claim, verdict: ClaimVerdict, outcome: Outcome, trials: Sequence[Trial]
) -> list[RenderableType]:
    """The claim, its rule, every comparison with its blocks, and the trials left out."""
    said: list[RenderableType] = [
        Text(claim.claim, style="bold"),
        headed(verdict),
        Text(text.clean(verdict.sentence, 2000)),
        _facts(claim, verdict, outcome),
    ]
    for finding in verdict.findings:
        said += _finding(finding, trials)
    return said


def _facts(claim: Claim, verdict: ClaimVerdict, outcome: Outcome) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rows = [
        ("claim", f"{claim.id} ({claim.origin}, line {claim.line})"),
        ("source", claim.source),
        ("refuted by", claim.refuted_by),
        ("run", outcome.run.run_id),
        ("ledger", f"sha256:{outcome.judgement.digest[:16]}"),
        ("combined", _combined(claim)),
        *(("stopped", stop_words(each)) for each in outcome.run.stops if each.claim == claim.id),
        *(("part", part_row(each)) for each in verdict.parts if len(verdict.parts) > 1),
        *(("warning", each) for each in verdict.warnings),
    ]
    if verdict.more is not None:
        rows.append(("to settle it", numbers.cost(verdict.more, verdict.more_s)))
    for name, value in rows:
        table.add_row(name, Text(text.clean(value, 600)))
    return table


def _combined(claim: Claim) -> str:
    if claim.awaits:
        return f"waits for {claim.awaits}"
    if claim.combine == "every":
        return (
            "supported where every part is, refuted where every part is, mixed where parts differ; "
            "what was not measured counts neither way"
        )
    return "supported where one comparison is, refuted where all are"


def part_row(part: PartVerdict) -> str:
    """A part with its verdict, and with what was found or why nothing was."""
    if part.awaited and part.said.startswith("not yet measured"):
        return f"{part.name}: {part.said}"
    said = f": {part.said}" if part.said else ""
    return f"{part.name}: {part_word(part)}{said}"


def _finding(finding: Finding, trials: Sequence[Trial]) -> Iterator[RenderableType]:
    arms = f"{finding.candidate.arm} against {finding.baseline.arm}"
    title = f"{finding.part}: {arms}" if finding.candidate.arm else finding.part
    yield Line(Text(text.name(title, 100)), align="left")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("verdict", word(finding.verdict))
    for name, value in _rows(finding):
        facts.add_row(name, Text(text.clean(value, 600)))
    yield facts
    if finding.comparison is not None:
        yield _blocks(finding)
    excluded = _excluded(finding, trials)
    if excluded is not None:
        yield excluded


def _rows(finding: Finding) -> Iterator[tuple[str, str]]:
    if finding.why:
        yield "because", finding.why
    if finding.workload:
        better = f" ({finding.direction} is better)" if finding.direction else ""
        yield "measured by", f"{finding.workload}, {finding.metric}{better}"
    yield "rule", f"{finding.rule.words}: {MEANINGS[finding.rule.kind]}"
    if finding.comparison is not None:
        yield from _compared(finding, finding.comparison)
    for warning in finding.warnings:
        yield "warning", warning


def _carried(told: Carried, arm: str) -> str:
    left, effect = (100 * math.expm1(value) for value in (told.left, told.effect))
    said = (
        f"a slice just after one of {arm} differs by {left:+.2g} % from one after an average arm; "
        f"not taken out, that would change the ratio by {effect:+.2g} %"
    )
    bound = f", at most {100 * math.expm1(told.bound):.2g} %" if told.bound is not None else ""
    return f"{said}{bound} ({told.blocks} blocks)"


def _compared(finding: Finding, found: Comparison) -> Iterator[tuple[str, str]]:
    yield "ratio", f"{found.ratio:.5g} (candidate ÷ baseline)"
    low, high = found.equivalence_low, found.equivalence_high
    narrow = _interval(low, high)
    if finding.bound and low is not None and high is not None:
        end = low if finding.bound == "at-least" else high
        narrow = f"{finding.bound.replace('-', ' ')} {end:.5g}, a bound whose other end is open"
    looked = " at the level of its look, so that all looks together hold it"
    at = looked if finding.decided_at is not None else ""
    holds = "" if found.equivalence_low is None else f"; each end holds with 95 %{at}"
    yield "90 % interval", f"{narrow}{holds}"
    if not finding.bound:
        yield "95 % interval", _interval(found.low, found.high)
    trials = f"{found.n_baseline} and {found.n_candidate} trials"
    each = f", each the mean of up to {finding.iterations} iterations"
    if finding.carried is not None:
        each = f", each the level of up to {finding.iterations} slices in turns"
    unit = "blocks" if found.method.startswith("paired") else "trials"
    yield unit, f"{found.n_units} ({trials}{each if finding.iterations > 1 else ''})"
    if finding.carried is not None:
        yield "carry-over", _carried(finding.carried, finding.candidate.arm)
    yield "method", found.method
    if finding.decided_at is not None:
        yield "settled at", f"the look after {finding.decided_at} blocks; its data, its levels"
    floor = "not known" if finding.floor is None else f"±{100 * finding.floor:.3g} %"
    yield "A/A floor", f"{floor}: what native differs from itself"
    if finding.more is not None:
        yield "to settle it", f"{numbers.cost(finding.more, finding.more_s)}, for a power of 80 %"


def _interval(low: float | None, high: float | None) -> str:
    return "declined" if low is None or high is None else f"{low:.5g} to {high:.5g}"


def _blocks(finding: Finding) -> Table:
    base, other = finding.baseline, finding.candidate
    table = Table("block", text.name(base.arm), text.name(other.arm), "ratio", title_justify="left")
    for column in table.columns:
        column.justify = "right"
    for block in sorted({*base.blocks, *other.blocks}):
        theirs, ours = _values(base, block), _values(other, block)
        ratio = f"{_center(ours) / _center(theirs):.4f}" if ours and theirs else text.NOTHING
        table.add_row(str(block), _shown(theirs, finding.unit), _shown(ours, finding.unit), ratio)
    return table


def _values(side: Side, block: int) -> list[float]:
    return [value for at, value in zip(side.blocks, side.means, strict=True) if at == block]


def _center(values: Sequence[float]) -> float:
    """Geometric mean: blocks are compared by logarithms."""
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def _shown(values: Sequence[float], unit: str) -> str:
    return ", ".join(text.quantity(value, unit) for value in values) or text.NOTHING


def _excluded(finding: Finding, trials: Sequence[Trial]) -> Table | None:
    """Trials of both arms that did not count, each with its reason."""
    arms = {finding.baseline.arm, finding.candidate.arm}
    out = [
        trial
        for trial in trials
        if trial.workload == finding.workload
        and trial.status != "ok"
        and arm_name(trial.backend, trial.profile) in arms
    ]
    if not out:
        return None
    table = Table("left out", "status", "because", title_justify="left")
    for trial in out[:MOST_EXCLUDED]:
        findings = [f"{each.code}: {each.reason}" for each in trial.findings]
        reason = trial.error or "; ".join(findings) or "no reason was recorded"
        table.add_row(
            Text(text.name(trial.trial_id, 100)), trial.status, Text(text.clean(reason, 300))
        )
    if len(out) > MOST_EXCLUDED:
        table.add_row(f"and {len(out) - MOST_EXCLUDED} more", "", "see trials.jsonl")
    return table
