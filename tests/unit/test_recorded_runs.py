"""Two runs recorded on a shared host, judged anew: they are read, reported on and judged."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pytest
from support import recorded

from harness.cli.bench import _summarise as summarise
from harness.run.bench import Result
from harness.run.loop import Tally
from reports.terminal.claims import claims_document, claims_view
from reports.view import build
from results.frame import load
from results.gating import judged, online_cpus
from results.ledger.outcome import judge_run, keep
from results.records.records import Trial
from results.store.store import RunDirectory


def of(name: str) -> RunDirectory:
    return RunDirectory.open(name, recorded.RUNS)


def counted(trials: tuple[Trial, ...]) -> float:
    """The share of the real arms' trials that count; kvm was emulated."""
    real = [each for each in trials if each.backend != "kvm"]
    return sum(each.status == "ok" for each in real) / len(real)


@pytest.mark.parametrize("name", recorded.BOTH)
def test_nine_trials_of_ten_count_that_the_host_disturbed_in_every_arm_alike(name: str) -> None:
    assert counted(of(name).recorded()) < 0.3
    assert counted(of(name).trials()) >= 0.9
    assert {each.status for each in of(name).trials() if each.backend == "kvm"} == {"invalid"}


def test_trials_that_another_process_disturbed_do_not_count() -> None:
    before = {(t.trial_id, t.attempt): t for t in of(recorded.UNDECIDED).recorded()}
    busy = {
        key
        for key, trial in before.items()
        if any(f.code == "busy-host" and f.severity == "invalid" for f in trial.findings)
    }
    left_out = {
        (t.trial_id, t.attempt): {f.code for f in t.findings if f.severity == "invalid"}
        for t in of(recorded.UNDECIDED).trials()
        if t.status == "invalid" and t.backend != "kvm"
    }
    assert len(busy) == 12
    assert left_out == {key: {"busy-host"} for key in busy}


@pytest.mark.parametrize("name", recorded.BOTH)
@pytest.mark.parametrize("seed", range(5))
def test_planted_steal_is_found_and_nothing_else_falls_with_it(name: str, seed: int) -> None:
    trials, online = of(name).recorded(), online_cpus(of(name).run().host)
    sound = [at for at, each in enumerate(judged(trials, online).trials) if each.status == "ok"]
    chance = random.Random(seed)
    planted = set(chance.sample(sound, 8))
    disturbed = [_stolen(each, 0.3) if at in planted else each for at, each in enumerate(trials)]
    after = judged(disturbed, online).trials
    assert planted == {at for at in sound if after[at].status == "invalid"}
    for at in planted:
        assert {f.code for f in after[at].findings if f.severity == "invalid"} == {"steal"}


def _stolen(trial: Trial, share: float) -> Trial:
    assert trial.pressure is not None
    tick = 0.01 / trial.pressure.seconds  # what is uncertain of a counter of ticks
    return dataclasses.replace(
        trial, pressure=dataclasses.replace(trial.pressure, steal_ratio=share + tick)
    )


@pytest.mark.parametrize("name", recorded.BOTH)
def test_samples_count_as_their_trials_do(name: str) -> None:
    samples, ok = load(of(name)), {t.trial_id for t in of(name).trials() if t.status == "ok"}
    assert set(samples.loc[samples["valid"], "trial_id"]) == ok
    marked = samples["reasons"].astype("str").str.contains("frequency-drift")
    assert samples.loc[marked, "trial_id"].nunique() <= 1  # a caution of the new rule


@pytest.mark.parametrize("name", recorded.BOTH)
def test_the_hosts_cautions_are_told_once_with_their_price(name: str, tmp_path: Path) -> None:
    directory = recorded.copied(name, tmp_path)
    outcome = judge_run(directory)
    keep(directory, outcome)
    kept = json.loads((directory.path / "run.json").read_bytes())["cautions"]
    told = {each["code"]: each for each in kept}
    assert "the clock here has two speeds 20 % apart" in told["two-speed-clock"]["text"]
    assert told["two-speed-clock"]["cost"].startswith("the smallest effect that this run can show")
    assert set(told) <= {"two-speed-clock", "busy-host"}
    view = build(outcome.run, load(directory), directory.trials())
    (host,) = [gate for gate in view.gates if gate.title == "This host hits every arm alike"]
    assert host.detail.startswith("The clock here has two speeds 20 % apart")
    assert host.detail.count("the smallest effect that this run can show is") == 1
    assert sum("judged anew" in gate.detail for gate in view.gates) == 1
    lines = [str(each) for each in claims_view(outcome.ledger, outcome)]
    assert sum("two speeds 20 % apart" in line for line in lines) == 1
    assert sum("judged anew" in line for line in lines) == 1
    assert [each["code"] for each in claims_document(outcome.ledger, outcome)["cautions"]] == [
        each["code"] for each in kept
    ]


def test_what_was_told_is_not_told_again_when_the_run_is_judged_again(tmp_path: Path) -> None:
    directory = recorded.copied(recorded.CRASHED, tmp_path)
    keep(directory, judge_run(directory))
    first = (directory.path / "run.json").read_bytes()
    again = RunDirectory.open(recorded.CRASHED, tmp_path)
    keep(again, judge_run(again))
    assert (directory.path / "run.json").read_bytes() == first


def test_a_run_without_readings_is_believed_as_it_was_recorded(tmp_path: Path) -> None:
    directory = recorded.without_readings(recorded.CRASHED, tmp_path)
    assert directory.trials() == directory.recorded()
    assert directory.judged().notes == ()


def test_a_floor_without_any_pair_is_a_ratio_without_a_proof(tmp_path: Path) -> None:
    """Of native and native:aa each has valid trials, and no block has both."""
    directory = recorded.without_readings(recorded.CRASHED, tmp_path)
    view = build(directory.run(), load(directory), directory.trials())
    unpaired = [each.floor for each in view.metrics if each.floor and each.floor.n == 0]
    assert unpaired
    assert all(floor.ratio >= 1 and not floor.proven for floor in unpaired)


def test_bench_ends_with_the_hosts_cautions_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = recorded.copied(recorded.CRASHED, tmp_path)
    keep(directory, judge_run(directory))
    summarise(Result(directory.path, directory.path / "report.html", Tally(ok=290)))
    lines = capsys.readouterr().out.splitlines()
    (line,) = [each for each in lines if each.startswith("this host: ")]
    assert "the clock here has two speeds 20 % apart" in line
    assert line.endswith(" %, depending on the workload.")
