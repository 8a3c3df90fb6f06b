"""A run judged as it was looked at: decisions keep, later data do not change them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import pandas as pd
import pytest

from results.ledger.claims.schema import Claim, Combine
from results.ledger.looks import Stage, blocks_begun, judge_at, stages_of, states
from results.records.looks import ClaimState, Look, PlannedLook
from results.records.records import GateFinding, Run, Trial
from results.stats.intervals import Levels
from tests.support import frames
from tests.support.frames import AGAIN, NATIVE, times

LEVELS = Levels(0.05, 0.1)
WORK, MORE = "cpu.work", "cpu.more"


def trial(trial_id: str, *, status: str = "ok", transient: bool = False) -> Trial:
    """A record of the journal, as far as judging reads it."""
    workload, block, arm = trial_id.split("-")
    finding = GateFinding("steal", "invalid", "stolen", transient=transient)
    return Trial(
        run_id="20261124T000000Z-000000",
        trial_id=trial_id,
        attempt=1,
        block=int(block[1:]),
        position=0,
        backend=arm.partition(":")[0],
        profile=arm.partition(":")[2] or "default",
        workload=workload,
        status="ok" if status == "ok" else "invalid",
        findings=() if status == "ok" else (finding,),
        error="",
        tail="",
        started_utc="",
        phases_ns={},
        limits_outside={},
        limits_inside={},
        program_digest="",
        pressure=None,
        bookkeeping_ns=0,
    )


def arms(candidate: Sequence[float], workload: str = WORK) -> pd.DataFrame:
    """Twelve blocks of native, its twin and one box."""
    names = {"native": NATIVE, "native:aa": AGAIN, "ns": candidate}
    return frames.frame(*(frames.rows(arm, of, workload=workload) for arm, of in names.items()))


def journal(samples: pd.DataFrame, order: Iterable[tuple[str, int]]) -> list[Trial]:
    """Trials of the (workload, block)s in ``order``, every arm of each."""
    return [
        trial(f"{workload}-b{block:03d}-{arm}")
        for workload, block in order
        for arm in samples["arm"].unique()
    ]


def run_of(trials: Sequence[Trial]) -> Run:
    """A finished run of at most twenty blocks, without a look."""
    assert trials
    return Run(
        schema=1,
        run_id="20261124T000000Z-000000",
        created_utc="",
        tarebench="0",
        command=(),
        seed=1,
        suite="quick",
        size={},
        rounds={MORE: 2},
        blocks=20,
        emulated_blocks=1,
        arms=(),
        workloads=(),
        skipped=(),
        limits={},
        rootfs_digest="",
        packages={},
        host={},
        finished_utc="2026-11-24T00:00:00Z",
        budget_s=60.0,
        planned_looks=(PlannedLook(7, 0.02, 0.04), PlannedLook(20, 0.03, 0.06)),
    )


def judged(claim: Claim, samples: pd.DataFrame, trials: list[Trial], *counts: int) -> ClaimState:
    stages = [Stage(blocks, blocks * 3, LEVELS) for blocks in counts]
    ledger = frames.ledger(claim)
    judgement = judge_at(ledger, samples, run_of(trials), trials, stages)
    (state,) = states(ledger, judgement, trials)
    return state


def test_data_that_come_after_a_decision_do_not_change_it() -> None:
    wild = [*times(0.9)[:8], 300.0, 30.0, 500.0, 20.0]
    samples = arms(wild)
    trials = journal(samples, [(WORK, block) for block in range(12)])
    claim = frames.claim(frames.part())
    assert judged(claim, samples, trials, 8, 12) == ClaimState(
        "c", "decided", "refuted", decided_at=8
    )
    assert judged(claim, samples, trials, 12).verdict == "inconclusive"


def test_a_look_sees_the_first_records_of_the_journal_only() -> None:
    """Not the first blocks: a repeat that came later was not seen."""
    samples = arms(times(0.9))
    order = [(WORK, block) for block in (4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3)]
    trials = journal(samples, order)
    judgement = judge_at(
        frames.ledger(frames.claim(frames.part())),
        samples,
        run_of(trials),
        trials,
        [Stage(8, 24, LEVELS)],
    )
    (finding,) = judgement.verdicts[0].findings
    assert finding.candidate.blocks == tuple(range(4, 12))


@pytest.mark.parametrize(
    ("combine", "factors", "verdict", "decided_at"),
    [
        ("every", (0.9, 0.9), "refuted", 16),
        ("every", (1.0, 0.9), "mixed", 16),
        ("every", (0.9, 1.0), "mixed", 16),
        ("every", (1.0, 1.0), "supported", 16),
        ("any", (1.0, 1.0), "supported", 8),
        ("any", (0.9, 0.9), "refuted", 16),
    ],
)
def test_a_claim_is_decided_when_its_rule_is_met(
    combine: Combine, factors: tuple[float, float], verdict: str, decided_at: int
) -> None:
    """Of two parts the second has its data only at the second look."""
    parts = frames.part(), frames.part(name="more", workload=MORE)
    first, second = factors
    samples = pd.concat([arms(times(first)), arms(times(second), MORE)], ignore_index=True)
    order = [(WORK, block) for block in range(8)] + [(MORE, block) for block in range(8)]
    state = judged(frames.claim(*parts, combine=combine), samples, journal(samples, order), 8, 16)
    assert (state.state, state.verdict, state.decided_at) == ("decided", verdict, decided_at)


def test_an_open_claim_names_the_workloads_that_it_needs() -> None:
    wide = [value * (1.03 if place % 2 else 0.97) for place, value in enumerate(NATIVE)]
    parts = frames.part(), frames.part(name="more", workload=MORE)
    samples = pd.concat([arms(times(1.0)), arms(wide, MORE)], ignore_index=True)
    order = [(name, block) for block in range(12) for name in (WORK, MORE)]
    state = judged(frames.claim(*parts), samples, journal(samples, order), 24)
    assert (state.state, state.needs) == ("go on", (MORE,))
    assert state.more is not None


def test_a_mixed_claim_goes_on_for_the_part_that_is_open() -> None:
    wide = [value * (1.03 if place % 2 else 0.97) for place, value in enumerate(NATIVE)]
    third = "cpu.third"
    parts = [frames.part(name=name, workload=name) for name in (WORK, MORE, third)]
    boxes = {WORK: times(1.0), MORE: times(0.9), third: wide}
    samples = pd.concat([arms(box, name) for name, box in boxes.items()], ignore_index=True)
    order = [(name, block) for block in range(12) for name in boxes]
    state = judged(frames.claim(*parts), samples, journal(samples, order), 36)
    assert (state.state, state.verdict, state.needs) == ("go on", "mixed", (third,))


@pytest.mark.parametrize(("transient", "state"), [(True, "go on"), (False, "not evaluable")])
def test_a_comparison_without_a_valid_trial_waits_if_it_was_merely_disturbed(
    transient: bool, state: str
) -> None:
    samples = arms(times(1.0))
    samples.loc[samples["arm"] == "ns", "valid"] = False
    trials = [
        dataclasses.replace(trial(each.trial_id, status="invalid", transient=transient))
        if each.backend == "ns"
        else each
        for each in journal(samples, [(WORK, block) for block in range(12)])
    ]
    assert judged(frames.claim(frames.part()), samples, trials, 12).state == state


def test_a_fixed_design_has_no_stages() -> None:
    trials = [trial(f"{WORK}-b001-native")]
    assert stages_of(dataclasses.replace(run_of(trials), budget_s=None), trials) == ()


def test_blocks_are_counted_as_the_command_line_counts_them() -> None:
    trials = [trial(f"{WORK}-b003-native"), trial(f"{MORE}-b009-native")]
    assert blocks_begun(run_of(trials), trials) == 5  # two rounds of the second workload in each


def test_a_finished_run_without_its_last_look_is_given_one_that_spends_what_is_left() -> None:
    trials = [trial(f"{WORK}-b{block:03d}-native") for block in range(1, 13)]
    run = run_of(trials)
    seen = Look(7, 0.02, 0.04, 7, ())
    first, last = stages_of(dataclasses.replace(run, looks=(seen,)), trials)
    assert (first.blocks, first.trials, first.levels) == (7, 7, Levels(0.02, 0.04))
    assert (last.blocks, last.trials) == (12, 12)
    assert 0.04 < last.levels.equivalence < 0.1
    (only,) = stages_of(run, trials)
    assert only == last  # what the look that failed might have spent is not spent again


def test_while_a_run_goes_on_only_looks_that_were_taken_count() -> None:
    trials = [trial(f"{WORK}-b{block:03d}-native") for block in range(1, 13)]
    going = dataclasses.replace(run_of(trials), finished_utc="")
    (before,) = stages_of(going, trials[:3])
    assert (before.trials, before.levels.equivalence) == (3, 0.04)
    (after,) = stages_of(dataclasses.replace(going, looks=(Look(7, 0.02, 0.04, 7, ()),)), trials)
    assert (after.blocks, after.trials) == (7, 7)
