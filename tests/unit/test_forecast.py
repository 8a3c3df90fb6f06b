"""What ``bench --plan`` says: from a plan and from what earlier runs recorded on this host."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.directories import Places
from harness.equipment import Equipment
from harness.errors import HarnessFault, UsageFault
from harness.forecast import forecast, tables
from harness.forecast.forecast import Forecast
from harness.host import facts
from harness.plan.plan import Request
from harness.plan.schedule import Arm, Slot
from harness.privacy import Nothing
from harness.progress.progress import Estimate, duration
from results.records.records import Pressure, Run, Trial
from results.store.store import RunDirectory
from runtimes.base import Capability
from runtimes.fake.runtime import FakeClock, FakeRuntime, FakeScript
from tests.support import synthetic
from workloads.registry import load

EVERYTHING = frozenset(Capability) - {Capability.IMAGINARY}
WORKLOADS = load().workloads
REQUEST = Request(workload="cpu.sysbench,network.http", blocks=3)
SECONDS = {"native": 2.0, "ns": 4.0, "kvm": 50.0}
"""What a trial of cpu.sysbench took in an earlier run."""


def equipment(root: Path, **scripts: FakeScript) -> Equipment:
    every = dict.fromkeys(("native", "ns", "kvm"), FakeScript(capabilities=EVERYTHING)) | scripts
    runtimes = {name: FakeRuntime(script, FakeClock(), name) for name, script in every.items()}
    return Equipment(
        runtimes, WORKLOADS, Places(root / "s", root / "c", root / "r"), FakeClock(), Nothing()
    )


def earlier(
    runs: Path,
    seconds: Mapping[str, float] = SECONDS,
    *,
    emulated: str = "kvm",
    beside: int = 0,
    **changes: object,
) -> None:
    """Record a run of cpu.sysbench on this host, of the size of suite quick."""
    made = synthetic.make_run()
    arms = tuple(
        replace(each, conditions=("emulated",) if each.backend == emulated else ())
        for each in made.arms
    )
    run: Run = replace(  # type: ignore[arg-type]
        made,
        **{
            "arms": arms,
            "host": facts.facts(),
            "size": {"iterations": 1, "seconds": 1},
            **changes,
        },
    )
    with RunDirectory.create(runs, run) as directory:
        for backend, took in seconds.items():
            directory.append(replace(_trial(run, backend, took), beside=beside), [])


def _trial(run: Run, backend: str, took: float) -> Trial:
    around = Pressure(took, 0.0, 0.1, None, None, None, 0)
    return Trial(
        run_id=run.run_id,
        trial_id=f"cpu.sysbench-b001-{backend}",
        attempt=1,
        block=1,
        position=0,
        backend=backend,
        profile="default",
        workload="cpu.sysbench",
        status="ok",
        findings=(),
        error="",
        tail="",
        started_utc="2026-11-24T04:00:00Z",
        phases_ns={},
        limits_outside={},
        limits_inside={},
        program_digest="",
        pressure=around,
        bookkeeping_ns=0,
    )


def told(foreseen: Forecast) -> str:
    console = Console(file=io.StringIO(), width=160, highlight=False)
    console.print(*tables.shown(foreseen), sep="\n")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def trials(foreseen: Forecast) -> dict[tuple[str, str], int]:
    return {(kind.workload, kind.arm.name): kind.trials for kind in foreseen.kinds}


def test_without_an_earlier_run_nothing_is_said_of_time(tmp_path: Path) -> None:
    foreseen = forecast.of_new(equipment(tmp_path), REQUEST)
    assert set(trials(foreseen).values()) == {3}
    assert {kind.seconds for kind in foreseen.kinds} == {None}
    text = told(foreseen)
    assert "is not known" in text
    assert "Not met on this host before: kvm, native:aa, native, ns" in text
    assert not (tmp_path / "r").exists(), "planning writes nothing"


def test_times_come_from_trials_of_the_same_size_on_the_same_host(tmp_path: Path) -> None:
    earlier(tmp_path / "r")
    foreseen = forecast.of_new(equipment(tmp_path), REQUEST)
    seconds = {(kind.workload, kind.arm.name): kind.seconds for kind in foreseen.kinds}
    assert seconds["cpu.sysbench", "ns"] == pytest.approx(12.0)
    assert seconds["network.http", "ns"] == pytest.approx(12.0), "other work in the same arm"
    mean = (2.0 + 4.0 + 50.0) / 3
    assert seconds["cpu.sysbench", "native:aa"] == pytest.approx(3 * mean), "other arms' same work"
    assert {kind.arm.name for kind in foreseen.kinds if kind.timed} == {"native", "ns", "kvm"}
    assert "from the trials of 1 earlier run on this host" in told(foreseen)
    assert "never timed here" in told(foreseen)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": {"iterations": 3, "seconds": 2}},
        {"host": {"kernel": "6.99-elsewhere", "cpu": {"model": "another"}}},
        {"host": {"cpu": "nonsense"}},
        {"source": "hyperfine"},
    ],
)
def test_runs_of_another_size_or_host_tell_no_times(
    tmp_path: Path, changes: Mapping[str, object]
) -> None:
    earlier(tmp_path / "r", **changes)
    assert forecast.of_new(equipment(tmp_path), REQUEST).runs == ()


@pytest.mark.parametrize("took", [-1.0, 1e9])
def test_a_trial_that_took_what_none_can_take_is_not_believed(tmp_path: Path, took: float) -> None:
    earlier(tmp_path / "r", {"ns": took, "native": 1.0})
    foreseen = forecast.of_new(equipment(tmp_path), REQUEST)
    assert sum(kind.seconds or 0.0 for kind in foreseen.kinds) < 3600.0


def test_a_damaged_run_does_not_keep_the_others_from_telling(tmp_path: Path) -> None:
    earlier(tmp_path / "r")
    broken = tmp_path / "r" / "20991231T000000Z-ffffff"
    broken.mkdir()
    (broken / "run.json").write_text("{", encoding="utf-8")
    assert len(forecast.of_new(equipment(tmp_path), REQUEST).runs) == 1


def test_an_arm_that_was_emulated_here_is_planned_for_the_first_blocks_only(
    tmp_path: Path,
) -> None:
    earlier(tmp_path / "r")
    foreseen = forecast.of_new(equipment(tmp_path), REQUEST)
    assert trials(foreseen)["cpu.sysbench", "kvm"] == 1
    assert "the first block only: no sample of it can count on this host" in told(foreseen)


def test_what_is_left_out_is_told_with_its_reason(tmp_path: Path) -> None:
    there = equipment(
        tmp_path,
        kvm=FakeScript(available=False, reason="no QEMU"),
        ns=FakeScript(capabilities=EVERYTHING - {Capability.NETWORK}),
    )
    foreseen = forecast.of_new(there, REQUEST)
    assert ("network.http", "ns") not in trials(foreseen)
    text = told(foreseen)
    assert "left out: kvm: no QEMU → give it another script" in text
    assert "1 of 2 workloads: it has no network" in text
    with pytest.raises(HarnessFault, match="kvm cannot run here: no QEMU"):
        forecast.of_new(there, replace(REQUEST, backend="kvm"))


def test_results_that_cannot_be_written_are_told_beforehand(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("a file", encoding="utf-8")
    with pytest.raises(HarnessFault, match="cannot be written") as caught:
        forecast.of_new(equipment(tmp_path), REQUEST)
    assert "--out" in caught.value.hint


def test_a_run_with_cold_arms_may_take_twice_as_long(tmp_path: Path) -> None:
    earlier(tmp_path / "r")
    text = told(forecast.of_new(equipment(tmp_path), replace(REQUEST, backend="ns:cold")))
    assert "up to twice as long" in text


def test_the_design_of_each_workload_is_told_and_can_be_chosen(tmp_path: Path) -> None:
    text = told(forecast.of_new(equipment(tmp_path), REQUEST))
    assert "In slices, all boxes of a block up at once" in text
    assert "suffices: cpu.sysbench." in text
    plain = told(forecast.of_new(equipment(tmp_path), replace(REQUEST, design="trials")))
    assert "In slices" not in plain
    with pytest.raises(UsageFault, match="no design is called 'turns'"):
        forecast.of_new(equipment(tmp_path), replace(REQUEST, design="turns"))


def test_a_trial_in_slices_took_its_share_of_its_block(tmp_path: Path) -> None:
    earlier(tmp_path / "r", {"native": 9.0, "ns": 9.0, "kvm": 9.0}, beside=2)
    foreseen = forecast.of_new(equipment(tmp_path), replace(REQUEST, workload="cpu.sysbench"))
    ns = next(kind for kind in foreseen.kinds if kind.arm == Arm("ns"))
    assert ns.seconds == pytest.approx(3 * 3.0, rel=0.01)


def test_with_a_budget_the_time_is_the_budget(tmp_path: Path) -> None:
    text = told(forecast.of_new(equipment(tmp_path), replace(REQUEST, blocks=None, budget="2h")))
    assert "at most 100 blocks" in text
    assert "at the latest after 2 h" in text


def test_of_a_killed_run_the_rest_is_told(tmp_path: Path) -> None:
    plan, made = forecast.of_new(equipment(tmp_path), REQUEST).plan, synthetic.make_run()
    earlier(
        tmp_path / "r",
        {"ns": 1.0},
        emulated="",
        run_id=plan.run_id,
        seed=1,
        workloads=tuple(each for each in made.workloads if each.name == "cpu.sysbench"),
        arms=tuple(each for each in made.arms if each.backend in {"native", "ns"}),
        limits={"cpus": [0], "cpu_quota": 1.0, "memory_bytes": 1 << 29},
        finished_utc="",
        blocks=2,
        rounds={},
    )
    foreseen = forecast.of_rest(equipment(tmp_path), plan.run, {})
    assert foreseen.done == 1
    assert trials(foreseen) == {
        ("cpu.sysbench", "native"): 2,
        ("cpu.sysbench", "native:aa"): 2,
        ("cpu.sysbench", "ns"): 1,
    }
    assert "not repeated: 1 trial." in told(foreseen)


def test_a_kind_never_seen_counts_as_its_arm_else_its_workload_else_all() -> None:
    estimate = Estimate()
    assert estimate.remaining_s([Slot(1, 0, Arm("ns"), "a")]) is None
    estimate.learn(Slot(1, 0, Arm("ns"), "a"), 1.0)
    estimate.learn(Slot(1, 0, Arm("ns"), "a"), 3.0)
    estimate.learn(Slot(1, 0, Arm("kvm"), "b"), 10.0)
    expected = {("ns", "a"): 2, ("ns", "b"): 2, ("oci", "b"): 10, ("oci", "c"): 6}
    for (backend, workload), seconds in expected.items():
        assert estimate.remaining_s([Slot(2, 0, Arm(backend), workload)] * 2) == 2 * seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s"),
        (89, "89 s"),
        (91, "2 min"),
        (3600, "60 min"),
        (9000, "2 h 30 min"),
        (7200, "2 h"),
        (86400, "24 h"),
    ],
)
def test_a_duration_is_said_as_precisely_as_it_is_known(seconds: float, said: str) -> None:
    assert duration(seconds) == said
