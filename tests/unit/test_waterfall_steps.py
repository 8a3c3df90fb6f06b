"""What each mechanism costs, from frames whose costs are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support import synthetic, waterfalls
from support.frames import frame, rows

from results.frame import load
from results.ledger.outcome import judge_run
from results.records.records import ArmRecord, Run, WaterfallStep, WorkloadRecord
from results.store.store import RunDirectory
from results.waterfall import Step, Waterfall, rungs
from results.waterfall import waterfalls as all_of

NOISE = (0.0, 3.0, -2.0, 1.0, -1.0, 2.0, -3.0, 0.5)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A whole run of the suite."""
    return waterfalls.write(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def falls(stored: RunDirectory) -> dict[tuple[str, str], Waterfall]:
    """Its waterfalls by workload and metric."""
    found = all_of(stored.run(), load(stored))
    return {(one.workload, one.metric): one for one in found}


def by_mechanism(fall: Waterfall) -> dict[str, Step]:
    return {step.rung.mechanism: step for step in fall.steps}


def small_run(*profiles: str, resource: str = "startup", again: bool = True) -> Run:
    """A run of native and of these steps, with one workload."""
    arms = [ArmRecord("native", "default", (), {}, {})]
    arms += [ArmRecord("native", "aa", (), {}, {})] * again
    arms += [
        ArmRecord("ns", profile, (), {}, {}, step=WaterfallStep(place, profile, "More."))
        for place, profile in enumerate(profiles, 1)
    ]
    name = f"{resource}.work"
    work = WorkloadRecord(name, resource, "Work", "time_ns", (("time_ns", "ns", "lower"),))
    return replace(synthetic.make_run(), arms=tuple(arms), workloads=(work,))


def values(
    arm: str, level: float, noise: float = 1.0, *, resource: str = "startup", blocks: int = 8
) -> list[dict[str, object]]:
    """A drift that all arms share, and noise of this arm's own, different in every arm."""
    turn = sum(map(ord, arm)) % len(NOISE)
    own = (NOISE[turn:] + NOISE[:turn])[:blocks]
    trials = [level + 40.0 * block + noise * own[block] for block in range(blocks)]
    name = f"{resource}.work"
    return rows(arm, trials, workload=name, metric="time_ns", unit="ns", direction="lower")


def one(run: Run, *groups: list[dict[str, object]]) -> Waterfall:
    (found,) = all_of(run, frame(*groups))
    return found


@pytest.mark.slow
def test_rungs_are_the_steps_in_order_and_then_the_engines(stored: RunDirectory) -> None:
    ladder = rungs(stored.run())
    assert [rung.mechanism for rung in ladder[:2]] == ["fork + exec", "mount namespace"]
    assert [rung.mechanism for rung in ladder[-3:]] == ["runc", "containerd", "Docker"]
    assert [rung.last for rung in ladder].index(True) == 17
    assert sum(rung.tier for rung in ladder) == 3


def test_a_run_without_steps_has_no_waterfall() -> None:
    run = synthetic.make_run()
    assert rungs(run) == ()
    assert all_of(run, pd.DataFrame()) == ()


def test_each_mechanisms_cost_is_found_within_its_interval(
    falls: dict[tuple[str, str], Waterfall],
) -> None:
    steps = by_mechanism(falls["startup.idle", "first_byte_ns"])
    for _, mechanism, added_us in waterfalls.STEPS[1:]:
        change = steps[mechanism].change
        assert change is not None
        assert change.low is not None
        assert change.high is not None
        assert change.low < change.value < change.high
        if mechanism not in {"masked paths", "cgroup cpu"}:  # one in twenty may err
            assert change.low <= added_us * waterfalls.US * 1.03
            assert change.high >= added_us * waterfalls.US * 0.97


def test_dear_steps_cost_cheap_ones_are_unclear_and_one_may_save(
    falls: dict[tuple[str, str], Waterfall],
) -> None:
    steps = by_mechanism(falls["startup.idle", "first_byte_ns"])
    findings = {mechanism: step.finding for mechanism, step in steps.items()}
    assert findings["fork + exec"] == "first"
    assert findings["network namespace"] == findings["runc"] == findings["Docker"] == "costs"
    assert findings["capabilities"] == "unclear"
    assert findings["seccomp"] == "saves"


def test_work_is_compared_by_ratio_and_above_one_is_better(
    falls: dict[tuple[str, str], Waterfall],
) -> None:
    steps = by_mechanism(falls["system.call", "rate_per_second"])
    seccomp = steps["seccomp"]
    assert seccomp.change is not None
    assert seccomp.change.value == pytest.approx(0.72, rel=0.02)
    assert seccomp.finding == "costs"
    assert steps["runc"].overall is not None
    assert steps["runc"].overall.value == pytest.approx(0.72, rel=0.02)
    assert steps["runc"].finding == "unclear"


def test_a_step_over_boxes_without_a_network_says_how_many_it_takes_together(
    falls: dict[tuple[str, str], Waterfall],
) -> None:
    steps = falls["network.latency", "rate_per_second"].steps
    assert [step.together for step in steps] == [1, 1, 1, 1, 1, 13, 1, 1, 1]
    assert steps[5].rung.mechanism == "bridge + NAT"


def test_drift_that_all_arms_share_is_in_no_interval() -> None:
    run = small_run("a", "b")
    groups = [values(arm, level) for arm, level in (("native", 900.0), ("native:aa", 900.0))]
    step = one(run, *groups, values("ns:a", 1000.0), values("ns:b", 1020.0)).steps[1]
    assert step.change is not None
    assert step.change.low is not None
    assert step.change.low > 10.0
    assert step.finding == "costs"


def test_what_native_shows_against_native_is_never_a_cost() -> None:
    groups = [values("native", 900.0, 1.0), values("native:aa", 900.0, 20.0)]
    groups += [values("ns:a", 1000.0), values("ns:b", 1020.0)]
    fall = one(small_run("a", "b"), *groups)
    assert fall.floor is not None
    assert fall.floor > 20.0
    assert fall.steps[1].finding == "unclear"


def test_without_a_second_native_the_interval_alone_tells() -> None:
    groups = [values("native", 900.0), values("ns:a", 1000.0), values("ns:b", 1020.0)]
    fall = one(small_run("a", "b", again=False), *groups)
    assert fall.floor is None
    assert fall.steps[1].finding == "costs"


def test_four_blocks_give_figures_and_no_finding() -> None:
    groups = [values(arm, 1000.0, blocks=4) for arm in ("native", "native:aa", "ns:a")]
    fall = one(small_run("a", "b"), *groups, values("ns:b", 2000.0, blocks=4))
    assert fall.steps[1].finding == "few"
    assert fall.steps[1].change is not None
    assert fall.steps[1].change.low is None


def test_a_rung_without_a_valid_trial_is_stepped_over() -> None:
    run = small_run("a", "b", "c")
    fall = one(run, values("native", 900.0), values("ns:a", 1000.0), values("ns:c", 1500.0))
    assert [step.rung.mechanism for step in fall.steps] == ["a", "c"]
    assert fall.steps[1].together == 2


def test_rungs_that_share_no_block_are_not_compared() -> None:
    early = values("ns:a", 1000.0)
    late = values("ns:b", 2000.0)
    for row in late:
        row["block"] = int(str(row["block"])) + 100
    fall = one(small_run("a", "b"), values("native", 900.0), early, late)
    assert fall.steps[1].change is None
    assert fall.steps[1].finding == "few"


def test_a_ratio_of_a_metric_where_less_is_better_is_turned() -> None:
    run = small_run("a", "b", resource="system")
    groups = [
        values(arm, level, resource="system")
        for arm, level in (("native", 9e3), ("native:aa", 9e3), ("ns:a", 1e4), ("ns:b", 2e4))
    ]
    change = one(run, *groups).steps[1].change
    assert change is not None
    assert change.value == pytest.approx(0.5, rel=0.02)
    assert change.low is not None
    assert change.high is not None
    assert change.low <= change.value <= change.high


def test_the_tiers_are_judged_where_a_run_has_them(stored: RunDirectory) -> None:
    outcome = judge_run(stored, load(stored))
    (verdict,) = [each for each in outcome.judgement.verdicts if each.claim == "engine-tiers"]
    assert verdict.verdict == "supported"
    pairs = {(f.baseline.arm, f.candidate.arm) for f in verdict.findings if f.comparison}
    assert pairs == {("ns", "oci"), ("oci", "containerd"), ("containerd", "docker")}


def test_the_tiers_are_not_judged_without_runc(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path, blocks=5)
    outcome = judge_run(run, load(run))
    (verdict,) = [each for each in outcome.judgement.verdicts if each.claim == "engine-tiers"]
    assert verdict.verdict == "not evaluable"
