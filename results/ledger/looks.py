"""A run that stops when its claims are settled, judged as it was looked at.

Each comparison is settled by the first look that settles it, on the data of that look and at its
corrected levels; what came later does not change it.  So over all looks together a false verdict
keeps the probability that it has in a run of fixed length (``results.stats.sequential``).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from results.ledger.claims.schema import Claim, Ledger
from results.ledger.findings import ClaimVerdict, Finding
from results.ledger.judge.costs import block_costs
from results.ledger.judge.judge import Judgement, conclude, judge
from results.ledger.verdict.combine import ONE_DECIDES
from results.records.looks import ClaimState, Look, PlannedLook
from results.records.records import Run, Trial, arm_name
from results.stats.intervals import Levels
from results.stats.sequential import SequentialPlan, plan

SETTLED = frozenset({"supported", "refuted"})
"""Verdicts of one comparison that stand; a mixed claim stands once no part of it is open."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The data of one look, and the levels that it spends."""

    blocks: int
    trials: int
    """Records of the journal that it sees, from the first."""
    levels: Levels


def stages_of(run: Run, trials: Sequence[Trial]) -> tuple[Stage, ...]:
    """The stages to judge ``run`` by; none where its number of blocks was fixed beforehand.

    A finished run whose last look failed is given one now: nobody has seen its data.  While a run
    goes on, only looks that were taken count, or, before the first, all data at that look's level.
    """
    if run.budget_s is None or not run.planned_looks or not trials:
        return ()
    taken = [Stage(each.blocks, each.trials, _levels(each)) for each in run.looks]
    ended = bool(run.looks) and run.looks[-1].last
    if run.finished_utc and not ended and (not taken or taken[-1].trials < len(trials)):
        taken.append(ending(run, trials))
    if not taken:
        taken.append(Stage(blocks_begun(run, trials), len(trials), _levels(run.planned_looks[0])))
    return tuple(taken)


def ending(run: Run, trials: Sequence[Trial]) -> Stage:
    """The last look, where the budget ends: it spends all that the looks before left.

    Its levels are those of the workload that got furthest: right for it, and for the others, whose
    last block the budget did not reach, on the safe side.
    """
    blocks = max(1, blocks_begun(run, trials))
    return Stage(blocks, len(trials), schedule_of(run).ending_at(blocks).levels[-1])


def planned(run: Run, trials: Sequence[Trial], blocks: int) -> Stage | None:
    """The look planned after ``blocks`` blocks; None where there is none."""
    for each in run.planned_looks:
        if each.blocks == blocks:
            return Stage(blocks, len(trials), _levels(each))
    return None


def schedule_of(run: Run) -> SequentialPlan:
    """The run's plan, as it was fixed."""
    return plan(run.blocks, looks=tuple(each.blocks for each in run.planned_looks))


def blocks_begun(run: Run, trials: Sequence[Trial]) -> int:
    """Blocks, as ``--blocks`` counts them, that the furthest workload has begun."""
    return max(
        (math.ceil(each.block / run.rounds.get(each.workload, 1)) for each in trials), default=0
    )


def judge_at(
    ledger: Ledger, frame: pd.DataFrame, run: Run, trials: Sequence[Trial], stages: Sequence[Stage]
) -> Judgement:
    """Judge every claim by stages, in their order.

    Args:
        ledger: the claims.
        frame: every sample of the run.
        run: run.json.
        trials: the journal, in its order.
        stages: at least one.
    """
    places = _places(frame, trials)
    costs = block_costs(trials)
    known: dict[str, dict[Hashable, Finding]] = {}
    for stage in stages:
        seen = frame[places < stage.trials]
        judgement = judge(ledger, seen, run, levels=stage.levels, costs=costs)
        for verdict in judgement.verdicts:
            before = known.setdefault(verdict.claim, {})
            for finding in verdict.findings:
                if not _settled(before.get(_key(finding))):
                    before[_key(finding)] = _at(finding, stage)
    claims = {claim.id: claim for claim in ledger.claims}
    verdicts = tuple(
        conclude(
            claims[verdict.claim],
            [known[verdict.claim][_key(finding)] for finding in verdict.findings],
        )
        for verdict in judgement.verdicts
    )
    return Judgement(verdicts, judgement.floors, judgement.digest)


def states(ledger: Ledger, judgement: Judgement, trials: Sequence[Trial]) -> tuple[ClaimState, ...]:
    """How far every claim is: decided, or which workloads would settle it.

    A comparison without a valid trial is open as long as its trials were merely disturbed.
    """
    claims = {claim.id: claim for claim in ledger.claims}
    disturbed = frozenset(
        (each.workload, arm_name(each.backend, each.profile)) for each in trials if each.disturbed
    )
    return tuple(_state(claims[each.claim], each, disturbed) for each in judgement.verdicts)


def _state(
    claim: Claim, verdict: ClaimVerdict, disturbed: frozenset[tuple[str, str]]
) -> ClaimState:
    open_ = [
        each
        for each in verdict.findings
        if each.verdict == "inconclusive" or _waits(each, disturbed)
    ]
    if verdict.verdict in SETTLED or (verdict.verdict == "mixed" and not open_):
        at = _decided_at(claim, verdict)
        return ClaimState(claim.id, "decided", verdict.verdict, decided_at=at)
    if not open_:
        nothing = verdict.verdict == "not evaluable"
        return ClaimState(claim.id, "not evaluable" if nothing else "unanswerable", verdict.verdict)
    needs = tuple(sorted({each.workload for each in open_}))
    return ClaimState(claim.id, "go on", verdict.verdict, more=verdict.more, needs=needs)


def _waits(finding: Finding, disturbed: frozenset[tuple[str, str]]) -> bool:
    lacking = [side for side in (finding.baseline, finding.candidate) if side.median is None]
    return bool(lacking) and all((finding.workload, side.arm) in disturbed for side in lacking)


def _decided_at(claim: Claim, verdict: ClaimVerdict) -> int | None:
    """The look that decided the claim: the first where one comparison is enough, else the last."""
    one_is_enough = verdict.verdict == ONE_DECIDES.get(claim.combine)
    looks = [
        each.decided_at
        for each in verdict.findings
        if each.decided_at is not None and (not one_is_enough or each.verdict == verdict.verdict)
    ]
    return (min if one_is_enough else max)(looks, default=None)


def _key(finding: Finding) -> Hashable:
    where = finding.part, finding.workload, finding.metric, finding.rule
    return *where, finding.baseline.arm, finding.candidate.arm


def _settled(finding: Finding | None) -> bool:
    return finding is not None and finding.verdict in SETTLED


def _at(finding: Finding, stage: Stage) -> Finding:
    return replace(finding, decided_at=stage.blocks) if _settled(finding) else finding


def _levels(look: PlannedLook | Look) -> Levels:
    return Levels(look.difference, look.equivalence)


def _places(frame: pd.DataFrame, trials: Sequence[Trial]) -> npt.NDArray[np.int64]:
    """Of every sample: the place of its trial's record in the journal."""
    place = {(each.trial_id, each.attempt): at for at, each in enumerate(trials)}
    kinds = frame[["trial_id", "attempt"]].drop_duplicates()
    found = {
        (str(trial), int(attempt)): place.get((str(trial), int(attempt)), len(trials))
        for trial, attempt in kinds.itertuples(index=False)
    }
    ids, attempts = frame["trial_id"].astype(object), frame["attempt"]
    return np.fromiter(
        (found[trial, attempt] for trial, attempt in zip(ids, attempts, strict=True)),
        np.int64,
        len(frame),
    )
