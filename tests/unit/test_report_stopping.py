"""What the report says of a run that stopped when its claims were settled."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from reports.terminal.claims import claims_document
from reports.view import build
from reports.view.effects import levels_of
from reports.view.stopping import blocks_words, design, stopping_gates, stopping_tables
from results.frame import load
from results.ledger.outcome import judge_run
from results.records.looks import ClaimState, ClaimStop, Look, PlannedLook, stops
from results.records.records import Run
from results.store.store import RunDirectory
from tests.support.bench_on_paper import RUN_ID, bench_on_paper
from tests.support.budgeted import arm, arms, budgeted, claim

FIXED_ROWS = (("blocks", "100, fixed beforehand"),)


def paper_run(tmp_path: Path) -> Run:
    with bench_on_paper(tmp_path, arms(arm(500.0))) as paper:
        return paper.directory.run()


def bench_directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory.open(RUN_ID, tmp_path / "runs")


def looked(run: Run, *states: ClaimState, last: bool = True) -> Run:
    look = Look(8, 0.01, 0.02, 24, states, last, 1.5)
    return dataclasses.replace(
        run,
        budget_s=600.0,
        blocks=50,
        finished_utc="2026-01-02T00:00:00Z",
        planned_looks=(PlannedLook(8, 0.01, 0.02), PlannedLook(50, 0.03, 0.04)),
        looks=(look,),
        stops=stops(look, "budget"),
    )


def test_a_fixed_design_says_so_and_has_no_looks(tmp_path: Path) -> None:
    run = paper_run(tmp_path)
    assert design(run) == FIXED_ROWS
    assert stopping_tables(run) == ()
    assert list(stopping_gates(run)) == []
    assert levels_of(run) is None
    assert blocks_words(run) == "in 100 blocks of random order"


def test_every_claim_is_told_why_it_stopped_and_what_it_lacks(tmp_path: Path) -> None:
    run = looked(
        paper_run(tmp_path),
        ClaimState("done", "decided", "supported", decided_at=8),
        ClaimState("open", "go on", "inconclusive", more=17, needs=("cpu.demo",)),
        ClaimState("vague", "go on", "inconclusive", needs=("cpu.demo",)),
        ClaimState("stuck", "unanswerable", "inconclusive"),
        ClaimState("absent", "not evaluable", "not evaluable"),
    )
    why, looks = stopping_tables(run)
    assert why.rows == (
        ("done", "settled at a look", "8", "–"),
        ("open", "the budget ended", "8", "about 17 blocks"),
        ("vague", "the budget ended", "8", "nobody can say"),
        ("stuck", "what it lacks is not trials", "8", "–"),
    )
    assert looks.rows[0][:2] == ("8 (the last)", "24")
    assert run.stops[1] == ClaimStop("open", "budget", 8, 17)
    (gate,) = stopping_gates(run)
    assert (gate.level, gate.title) == ("info", "Trials were added until 8 blocks")
    assert "4 claims: 1 settled at a look, 2 left open where the budget ended" in gate.detail


def test_the_answer_tells_the_blocks_that_were_run_not_those_that_were_allowed(
    tmp_path: Path,
) -> None:
    run = looked(paper_run(tmp_path))
    assert blocks_words(run).endswith("as many as the claims needed, 8 at most")
    assert "50" not in " ".join(build(run, load(bench_directory(tmp_path)), ()).answer)


def test_a_run_with_looks_has_wider_intervals_than_a_fixed_one(tmp_path: Path) -> None:
    """The same data: whoever looked more often may claim less."""
    with budgeted(tmp_path, arms(arm(990.0)), claims=claim(margin=0.3)) as bench:
        run, _ = bench.go()
        samples, trials = load(bench.paper.directory), bench.paper.directory.trials()
    fixed = dataclasses.replace(run, budget_s=None, planned_looks=(), looks=(), stops=())

    def width(of: Run) -> float:
        (metric,) = build(of, samples, trials).metrics
        effect = next(each for each in metric.effects if each.arm.name == "ns")
        assert effect.low is not None
        assert effect.high is not None
        return effect.high - effect.low

    assert width(run) > width(fixed)


def test_the_list_of_claims_says_for_programs_why_each_stopped(tmp_path: Path) -> None:
    with budgeted(tmp_path, arms(arm(500.0)), claims=claim()) as bench:
        run, _ = bench.go()
        outcome = judge_run(bench.paper.directory)
    document = claims_document(outcome.ledger, outcome)
    told = {each["id"]: each for each in document["claims"]}
    at = run.planned_looks[0].blocks
    assert told["free"]["stopped"] == {"reason": "decided", "blocks": at, "more_blocks": None}
    assert told["free"]["comparisons"][0]["decided_at_blocks"] == at
    assert told["cpu-native"]["stopped"] is None
