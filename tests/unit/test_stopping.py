"""Blocks are added until every claim is settled, or the budget ends: exactly, on paper."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageFault
from harness.host.pressure import NOTHING, Ended
from harness.plan.budget import parse_budget
from results.ledger.outcome import judge_run
from results.records.records import Run
from results.store.store import RunDirectory
from runtimes.fake.runtime import FakeScript, Fault
from tests.support.bench_on_paper import DEMO
from tests.support.budgeted import TRIAL_S, Budgeted, arm, arms, budgeted, claim

BLOCK_S = 3 * TRIAL_S


def verdicts(directory: RunDirectory) -> dict[str, str]:
    """Id → verdict of the claims that are the test's own."""
    outcome = judge_run(directory)
    own = {each.id for each in outcome.ledger.claims if each.origin != "built in"}
    return {each.claim: each.verdict for each in outcome.judgement.verdicts if each.claim in own}


def reasons(run: Run) -> dict[str, tuple[str, int]]:
    return {stop.claim: (stop.reason, stop.blocks) for stop in run.stops}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("10 min", 600), ("2h", 7200), ("1h30m", 5400)],
)
def test_a_budget_is_written_as_people_write_times(text: str, seconds: int) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "10x", "-5m", "1.5.2h", "nan", "inf", "0", "0s", "9999d", "10m10m", "1h30"]
)
def test_what_is_no_budget_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(UsageFault, match="--budget"):
        parse_budget(text)


def test_a_clear_difference_stops_the_run_at_the_first_look(tmp_path: Path) -> None:
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim()) as bench:
        run, tally = bench.go()
        first = run.planned_looks[0].blocks
        assert bench.blocks() == first < run.blocks
        assert (tally.ok, tally.failed) == (3 * first, 0)
        assert reasons(run) == {"free": ("decided", first)}
        assert verdicts(bench.paper.directory) == {"free": "refuted"}


def test_a_look_spends_no_more_than_was_planned_for_it(tmp_path: Path) -> None:
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim()) as bench:
        run, _ = bench.go()
    (look,) = run.looks
    planned = run.planned_looks[0]
    assert (look.blocks, look.equivalence) == (planned.blocks, planned.equivalence)
    assert look.equivalence < 0.1


def test_a_question_that_cannot_be_decided_runs_to_the_maximum(tmp_path: Path) -> None:
    """The effect sits on the margin: no number of blocks settles it."""
    scripts = arms(arm(980.0, noise=0.01), noise=0.01)
    with budgeted(tmp_path, scripts, claims=claim(), maximum=20) as bench:
        run, _ = bench.go()
        assert bench.blocks() == 20
        assert [look.blocks for look in run.looks] == [each.blocks for each in run.planned_looks]
        assert [look.last for look in run.looks] == [False] * (len(run.looks) - 1) + [True]
        assert reasons(run) == {"free": ("maximum", 20)}
        assert verdicts(bench.paper.directory) == {"free": "inconclusive"}


def test_no_block_is_begun_that_the_budget_does_not_last_for(tmp_path: Path) -> None:
    scripts = arms(arm(980.0, noise=0.01), noise=0.01)
    budget_s = 12.5 * BLOCK_S
    with budgeted(tmp_path, scripts, claims=claim(), budget_s=budget_s) as bench:
        begun_ns = bench.clock.now_ns()
        run, _ = bench.go()
        spent_s = (bench.clock.now_ns() - begun_ns) / 1e9
        assert bench.blocks() == 11  # the looks, of a second each, take the twelfth's place
        assert spent_s <= budget_s
        assert [(look.blocks, look.last) for look in run.looks] == [
            (8, False),
            (10, False),
            (11, True),
        ]
        assert reasons(run) == {"free": ("budget", 11)}


def test_where_the_budget_ends_the_last_look_spends_what_was_left(tmp_path: Path) -> None:
    scripts = arms(arm(980.0, noise=0.01), noise=0.01)
    with budgeted(tmp_path, scripts, claims=claim(), budget_s=12.5 * BLOCK_S) as bench:
        run, _ = bench.go()
    before = {each.blocks: each.equivalence for each in run.planned_looks}
    *looks, last = run.looks
    assert all(look.equivalence == before[look.blocks] for look in looks)
    assert before[12] < last.equivalence < 0.1


def test_a_budget_too_short_for_any_look_ends_with_the_one_look_of_a_fixed_design(
    tmp_path: Path,
) -> None:
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim(), budget_s=6.9 * BLOCK_S) as bench:
        run, _ = bench.go()
        assert [(look.blocks, look.last) for look in run.looks] == [(6, True)]
        assert run.looks[0].equivalence == pytest.approx(0.1)
        assert verdicts(bench.paper.directory) == {"free": "refuted"}


def test_the_undecided_are_told_how_many_more_blocks_they_need(tmp_path: Path) -> None:
    scripts = arms(arm(1000.0, noise=0.02, seed=5), noise=0.02)
    with budgeted(tmp_path, scripts, claims=claim(), maximum=8) as bench:
        run, _ = bench.go()
    (stop,) = run.stops
    assert stop.reason == "maximum"
    assert stop.more is not None
    assert stop.more > 0
    said = f"free is open after 8 blocks: about {stop.more} more would settle it"
    assert said in bench.paper.notes


def test_a_workload_that_no_open_claim_needs_gets_no_more_blocks(tmp_path: Path) -> None:
    other = dataclasses.replace(DEMO, name="cpu.other")
    claims = claim("clear", margin=0.3) + claim("hard", workload=other.name)
    scripts = arms(arm(980.0, noise=0.01), noise=0.01)
    with budgeted(tmp_path, scripts, claims=claims, maximum=12) as bench:
        bench.paper.context.workloads = {DEMO.name: DEMO, other.name: other}
        (record,) = bench.run.workloads
        both = (record, dataclasses.replace(record, name=other.name))
        bench.run = dataclasses.replace(bench.run, workloads=both)
        bench.paper.directory.finish(bench.run)
        run, _ = bench.go()
        first = run.planned_looks[0].blocks
        assert reasons(run) == {"clear": ("decided", first), "hard": ("maximum", 12)}
        assert (bench.blocks(DEMO.name), bench.blocks(other.name)) == (first, 12)
        assert f"no open claim needs {DEMO.name}: it gets no more blocks" in bench.paper.notes
        assert verdicts(bench.paper.directory) == {"clear": "supported", "hard": "inconclusive"}


def test_a_decided_comparison_is_not_judged_again_by_later_data(tmp_path: Path) -> None:
    """Data that come after a decision, for other claims, do not change it."""
    claims = claim("clear", margin=0.3, kind="loss-at-most") + claim("hard", margin=0.0001)
    scripts = arms(arm(999.9))
    with budgeted(tmp_path, scripts, claims=claims, maximum=12) as bench:
        run, _ = bench.go()
        outcome = judge_run(bench.paper.directory)
    found = {each.claim: each for each in outcome.judgement.verdicts}
    first = run.planned_looks[0].blocks
    (clear,), (hard,) = found["clear"].findings, found["hard"].findings
    assert clear.comparison is not None
    assert hard.comparison is not None
    assert clear.decided_at == clear.comparison.n_units == first
    assert hard.comparison.n_units == 12
    assert hard.decided_at is None


def test_a_claim_that_this_run_cannot_judge_holds_nothing_up(tmp_path: Path) -> None:
    claims = claim() + claim("elsewhere", candidates=("kvm",))
    with budgeted(tmp_path, arms(arm(500.0)), claims=claims) as bench:
        run, _ = bench.go()
    assert reasons(run) == {"free": ("decided", run.planned_looks[0].blocks)}


def test_where_no_claim_can_be_judged_the_first_look_ends_the_run(tmp_path: Path) -> None:
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim(candidates=("kvm",))) as bench:
        run, _ = bench.go()
        assert bench.blocks() == run.planned_looks[0].blocks
        assert run.stops == ()
        assert "no claim can be judged by this run" in bench.paper.notes


def steals(bench: Budgeted, ratio: Callable[[], float]) -> None:
    """Let the host steal this share of the CPUs, asked for each trial."""

    def watch(*, during: bool = False) -> Ended:
        del during
        return lambda: dataclasses.replace(NOTHING, seconds=1.0, steal_ratio=ratio())

    bench.paper.context.watch = watch


def test_while_one_arm_alone_is_disturbed_the_run_waits_for_better_trials(tmp_path: Path) -> None:
    at_work: list[str] = []
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim(), maximum=12) as bench:
        steals(bench, lambda: 0.5 if at_work[-1] == "ns" else 0.0)
        bench.paper.starting = lambda slot, _: at_work.append(slot.arm.name)
        run, _ = bench.go()
        trials = bench.paper.directory.trials()
    assert {each.status for each in trials if each.backend == "ns"} == {"invalid"}
    assert trials[-1].block == 12
    assert reasons(run) == {"free": ("maximum", 12)}


def test_where_all_trials_are_disturbed_alike_they_count(tmp_path: Path) -> None:
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim(), maximum=12) as bench:
        steals(bench, lambda: 0.5)
        run, tally = bench.go()
    assert (tally.invalid, tally.repeats) == (0, 0)
    assert reasons(run) == {"free": ("decided", run.planned_looks[0].blocks)}


@pytest.mark.parametrize(("budget_s", "repeats"), [(4.7 * BLOCK_S, 0), (10 * BLOCK_S, 1)])
def test_a_disturbed_trial_is_repeated_within_the_budget_only(
    tmp_path: Path, budget_s: float, repeats: int
) -> None:
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim(), budget_s=budget_s) as bench:
        turns = itertools.count()
        steals(bench, lambda: 0.5 if next(turns) == 10 else 0.0)
        _, tally = bench.go()
    assert (tally.invalid, tally.repeats) == (1, repeats)


def test_a_look_that_fails_is_said_and_the_run_goes_on_to_the_next(tmp_path: Path) -> None:
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim(), broken=frozenset({8})) as bench:
        run, _ = bench.go()
        assert [look.blocks for look in run.looks] == [10]
        assert reasons(run) == {"free": ("decided", 10)}
        assert run.notes == ("no look could be taken at 8 blocks: the statistics broke",)
        assert run.notes[0] in bench.paper.notes


def test_without_a_plan_the_run_goes_on_to_its_maximum_and_says_so(tmp_path: Path) -> None:
    scripts = arms(arm(500.0))
    with budgeted(tmp_path, scripts, claims=claim(), maximum=12, broken=frozenset({0})) as bench:
        run, _ = bench.go()
        assert bench.blocks() == 12
        assert bench.beside.asked == []
        assert "no look can be planned" in run.notes[0]
        assert verdicts(bench.paper.directory) == {"free": "refuted"}


def test_where_the_last_look_failed_the_report_takes_it(tmp_path: Path) -> None:
    scripts = arms(arm(500.0))
    with budgeted(
        tmp_path, scripts, claims=claim(), budget_s=6.9 * BLOCK_S, broken=frozenset({6})
    ) as bench:
        run, _ = bench.go()
        assert run.looks == ()
        assert run.stops == ()
        assert verdicts(bench.paper.directory) == {"free": "refuted"}


@pytest.mark.slow
@pytest.mark.parametrize("speed", [500.0, 980.0, 999.0])
def test_the_report_says_what_the_looks_said(tmp_path: Path, speed: float) -> None:
    claims = claim() + claim("wide", margin=0.3) + claim("fine", margin=0.001)
    scripts = arms(arm(speed, noise=0.01), noise=0.01)
    with budgeted(tmp_path, scripts, claims=claims, maximum=20) as bench:
        run, _ = bench.go()
        told = {each.claim: each.verdict for each in run.looks[-1].claims}
        assert verdicts(bench.paper.directory).items() <= told.items()


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 4, 23, 24, 25, 29, 30, 33])
def test_a_killed_run_resumes_with_its_looks_and_what_it_has_spent(tmp_path: Path, at: int) -> None:
    """It ends with the blocks and looks of a run that was never killed."""
    budget_s = 12.5 * BLOCK_S

    def scripts(*faults: Fault) -> dict[str, FakeScript]:
        made = arms(arm(980.0, noise=0.01), noise=0.01)
        return {name: dataclasses.replace(each, faults=faults) for name, each in made.items()}

    killed = Fault("run", KeyboardInterrupt(), instance=f"*-{at}", call=1)
    with budgeted(tmp_path, scripts(killed), claims=claim(), budget_s=budget_s) as bench:
        if at < 33:
            with pytest.raises(KeyboardInterrupt):
                bench.go()
            taken = bench.paper.directory.run().looks
        else:
            taken = bench.go()[0].looks
        unfinished = dataclasses.replace(bench.paper.directory.run(), finished_utc="")
        bench.paper.directory.finish(unfinished)
    with budgeted(tmp_path, scripts(), claims=claim()) as bench:
        run, _ = bench.go()
        assert bench.blocks() == 11
        assert [look.blocks for look in run.looks] == [8, 10, 11]
        assert run.looks[: len(taken)] == taken
        assert len(bench.beside.asked) == 3 - len(taken)
        assert reasons(run) == {"free": ("budget", 11)}


def test_a_run_killed_between_its_looks_is_judged_by_those_it_took(tmp_path: Path) -> None:
    killed = Fault("run", KeyboardInterrupt(), instance="*-27", call=1)
    scripts = arms(arm(980.0, noise=0.01, faults=(killed,)), noise=0.01)
    scripts = {name: dataclasses.replace(each, faults=(killed,)) for name, each in scripts.items()}
    with budgeted(tmp_path, scripts, claims=claim()) as bench:
        with pytest.raises(KeyboardInterrupt):
            bench.go()
        outcome = judge_run(bench.paper.directory)
    (finding,) = next(v for v in outcome.judgement.verdicts if v.claim == "free").findings
    assert finding.comparison is not None
    assert finding.comparison.n_units == 8
