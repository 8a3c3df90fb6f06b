"""Every claim of a ledger against the evidence of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import pandas as pd

from results.ledger.claims.rules import Direction
from results.ledger.claims.schema import Claim, Ledger, Part
from results.ledger.claims.vocabulary import members, spoken
from results.ledger.findings import ClaimVerdict, Finding, Side
from results.ledger.judge.bounding import WARNING, bounded
from results.ledger.judge.costs import Costs
from results.ledger.judge.decide import Decision, decide
from results.ledger.judge.evidence import NEVER_VALID, Evidence, Values, gather
from results.ledger.judge.floors import AaFloor, floors
from results.ledger.judge.imported_workloads import adapted
from results.ledger.verdict import combine, sentences
from results.records.records import Run
from results.slices import carry_over
from results.stats import Comparison, StatsError
from results.stats.compare import compare_at
from results.stats.intervals import Levels
from results.stats.values import middle

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Judgement:
    """A ledger as a run has it."""

    verdicts: tuple[ClaimVerdict, ...]
    """In the ledger's order."""
    floors: Mapping[tuple[str, str], AaFloor]
    """(workload, metric) → its A/A floor."""
    digest: str
    """Of the ledger."""


def judge(
    ledger: Ledger,
    frame: pd.DataFrame,
    run: Run | None = None,
    *,
    levels: Levels | None = None,
    costs: Costs | None = None,
) -> Judgement:
    """Judge every claim.

    Args:
        ledger: the claims.
        frame: as ``results.frame.load`` gives it; valid samples count, invalid ones are counted.
        run: run.json, for what samples cannot tell.
        levels: error probabilities of one look among several; by default those of a single one.
        costs: what a block of each workload takes; by default nobody knows.

    Never raises for what a claim lacks: that is a verdict.
    """
    evidence = gather(frame, run)
    found = floors(evidence)
    context = _JudgingContext(evidence, found, levels, costs or {})
    verdicts = tuple(
        conclude(claim, list(_of_parts(claim.parts, context)))
        for claim in adapted(ledger.claims, run)
    )
    return Judgement(verdicts, found, ledger.digest)


@dataclass(frozen=True, slots=True)
class _JudgingContext:
    """What every claim is judged with."""

    evidence: Evidence
    floors: Mapping[tuple[str, str], AaFloor]
    levels: Levels | None
    costs: Costs


def conclude(claim: Claim, findings: Sequence[Finding]) -> ClaimVerdict:
    """The claim's verdict from the findings of all its comparisons."""
    parts = combine.part_verdicts(claim, findings)
    verdict = combine.claim_verdict(claim, parts)
    decisive = combine.decisive(findings, verdict)
    more, seconds = _needed(findings) if verdict in {"inconclusive", "mixed"} else (None, None)
    return ClaimVerdict(
        claim=claim.id,
        verdict=verdict,
        headline=sentences.headline(claim, verdict, parts, more, seconds),
        sentence=sentences.sentence(claim, verdict, findings, parts, decisive),
        parts=parts,
        decisive=decisive,
        more=more,
        more_s=seconds,
        findings=tuple(findings),
        warnings=combine.warnings(claim, findings, parts, verdict),
    )


def _needed(findings: Sequence[Finding]) -> tuple[int | None, float | None]:
    """Blocks that would settle what is open, and the seconds that all its workloads would take."""
    open_ = [each for each in findings if each.verdict == "inconclusive"]
    known = [each.more for each in open_ if each.more is not None]
    if not known or len(known) < len(open_):
        return None, None
    seconds: dict[str, float] = {}
    for each in open_:
        if each.more_s is None:
            return max(known), None
        seconds[each.workload] = max(each.more_s, seconds.get(each.workload, 0.0))
    return max(known), sum(seconds.values())


def _of_parts(parts: Sequence[Part], context: _JudgingContext) -> Iterator[Finding]:
    for place, part in enumerate(parts):
        for finding in _findings(part, context):
            yield replace(finding, place=place)


def _findings(part: Part, context: _JudgingContext) -> Iterator[Finding]:
    """One finding for each pair of arms; one that says why where there is no pair."""
    if part.awaits:
        yield _unjudged(part, f"not yet measured: it waits for {part.awaits}", awaited=True)
        return
    evidence = context.evidence
    baselines = members(part.baseline, evidence.arms)
    candidates = [arm for name in part.candidates for arm in members(name, evidence.arms)]
    for names, arms in (((part.baseline,), baselines), (part.candidates, candidates)):
        if not arms:
            yield _unjudged(part, _absent(names, evidence.skipped), awaited=part.optional)
            return
    if part.workload not in evidence.workloads:
        why = f"{part.workload} was not part of this run"
        yield _unjudged(part, why, awaited=part.optional)
        return
    # A tier that the suite leaves out of a workload is no missing trial: it is not asked there.
    asked = [arm for arm in candidates if evidence.planned(arm, part.workload)]
    if not asked:
        why = f"{spoken(part.candidates)} took no part in {part.workload}"
        yield _unjudged(part, why, awaited=part.optional)
    for baseline in baselines:
        for candidate in dict.fromkeys(asked):
            if candidate != baseline:
                yield _pair(part, baseline, candidate, context)


def _absent(names: Sequence[str], skipped: Mapping[str, str]) -> str:
    reasons = [
        f"{backend}: {reason}"
        for backend, reason in skipped.items()
        if any(members(name, (backend,)) for name in names)
    ]
    said = f"there is no {spoken(names)} in this run"
    return f"{said} ({'; '.join(reasons)})" if reasons else said


def _pair(part: Part, baseline: str, candidate: str, context: _JudgingContext) -> Finding:
    evidence = context.evidence
    bound = bounded(part, baseline, candidate, evidence)
    known_by = {bound.arm: bound.least} if bound else {}
    for arm in (candidate, baseline):
        if arm in evidence.never_valid and arm not in known_by:
            why = f"{arm} {NEVER_VALID[evidence.never_valid[arm]]}"
            return _unjudged(part, why, baseline=baseline, candidate=candidate)
    known = evidence.metrics.get((part.workload, part.metric))
    problem = ""
    if known is None:
        problem = f"{part.workload} has no {part.metric} in this run"
    elif len(known.units) > 1 or len(known.directions) > 1:
        problem = f"{part.metric} comes in mixed units ({', '.join(known.units)})"
    base, other = (
        known_by.get(arm) or evidence.of(part.workload, part.metric, arm)
        for arm in (baseline, candidate)
    )
    for arm, values in ((baseline, base), (candidate, other)):
        if not problem and not values.means.size:
            problem = f"{arm} has no valid trial of {part.workload}"
    if problem or known is None:
        return _unjudged(part, problem, context=context, baseline=baseline, candidate=candidate)
    direction = cast("Direction", known.directions[0])
    try:
        compared = _compare(part, base, other, direction, context.levels)
    except StatsError as error:
        why = f"its values allow no ratio: {error}"
        return _unjudged(part, why, context=context, baseline=baseline, candidate=candidate)
    floor = context.floors[part.workload, part.metric]
    ratio = bound.ratio if bound else None
    decision = decide(
        compared, part.rule, direction, floor, needs_floor=evidence.has_floor, bound=ratio
    )
    cost = context.costs.get(part.workload)
    return Finding(
        part=part.name,
        workload=part.workload,
        metric=part.metric,
        unit=known.units[0],
        direction=direction,
        rule=part.rule,
        verdict=decision.verdict,
        why=decision.why,
        baseline=_side(part, baseline, context, base),
        candidate=_side(part, candidate, context, other),
        comparison=compared,
        bound=ratio,
        floor=floor.effect,
        more=decision.more,
        more_s=None if cost is None or decision.more is None else cost * decision.more,
        warnings=(
            *_warnings(compared, decision, floor),
            *_cautions(part, (baseline, candidate), evidence),
            *(WARNING.format(arm=arm, metric=part.bound_by) for arm in known_by),
        ),
        iterations=max(base.iterations, other.iterations),
        carried=carry_over(
            evidence.fits.get((part.workload, part.metric), ()), baseline, candidate
        ),
    )


def _compare(
    part: Part, base: Values, other: Values, direction: Direction, levels: Levels | None
) -> Comparison:
    """Paired by block where any block has both arms."""
    blocks = (base.blocks.tolist(), other.blocks.tolist())
    return compare_at(
        base.means,
        other.means,
        margin=min(0.999, part.rule.finest(direction)),
        direction=direction,
        confidence=CONFIDENCE,
        blocks=None if set(blocks[0]).isdisjoint(blocks[1]) else blocks,
        levels=levels,
    )


def _warnings(compared: Comparison, decision: Decision, floor: AaFloor) -> tuple[str, ...]:
    said = [each for each in compared.warnings if each not in decision.why]
    if floor.effect is None and "smallest effect" not in decision.why:
        said.append(f"the smallest effect this machine can show is not known: {floor.reason}")
    return tuple(said)


def _cautions(part: Part, arms: Sequence[str], evidence: Evidence) -> Iterator[str]:
    for arm in arms:
        codes = evidence.cautions.get((part.workload, arm))
        if codes:
            yield f"trials of {arm} that count carry a caution: {', '.join(codes)}"


def _side(part: Part, arm: str, context: _JudgingContext, values: Values) -> Side:
    invalid = context.evidence.invalid.get((part.workload, part.metric, arm), {})
    median = middle(values.means) if values.means.size else None
    return Side(
        arm=arm,
        median=median,
        trials=tuple(values.trials.tolist()),
        blocks=tuple(values.blocks.tolist()),
        means=tuple(values.means.tolist()),
        invalid=invalid,
    )


def _unjudged(
    part: Part,
    why: str,
    *,
    context: _JudgingContext | None = None,
    baseline: str = "",
    candidate: str = "",
    awaited: bool = False,
) -> Finding:
    sides = [
        _side(part, arm, context, context.evidence.of(part.workload, part.metric, arm))
        if context
        else Side(arm, None, (), (), (), {})
        for arm in (baseline, candidate)
    ]
    return Finding(
        part=part.name,
        workload=part.workload,
        metric=part.metric,
        unit="",
        direction="",
        rule=part.rule,
        verdict="not evaluable",
        why=why,
        baseline=sides[0],
        candidate=sides[1],
        comparison=None,
        floor=None,
        more=None,
        warnings=(),
        iterations=0,
        awaited=awaited,
    )
