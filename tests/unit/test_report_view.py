"""What the report says follows from the numbers, and from nothing that they do not hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support import synthetic

from reports import text
from reports.view import ReportView, build
from reports.view.arms import arm_views
from reports.view.effects import effect, floor_of, order_interval
from reports.view.startup import PHASES, phase_bars
from results import frame
from results.records.records import Run, Sample, Trial, arm_name
from results.store.store import RunDirectory
from runtimes.base import PHASES as LIFE


def view_of(run: RunDirectory) -> ReportView:
    """The view of a stored run."""
    return build(run.run(), frame.load(run), run.trials())


def written(root: Path, run: Run, trials: list[tuple[Trial, list[Sample]]]) -> RunDirectory:
    """A run with just these trials."""
    directory = RunDirectory.create(root, run)
    with directory:
        for trial, samples in trials:
            directory.append(trial, samples)
    return directory


def texts(value: object) -> Iterator[object]:
    """Every leaf of a view."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from texts(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from texts(item)
    else:
        yield value


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> ReportView:
    """The view of a run of ten blocks."""
    return view_of(synthetic.write(tmp_path_factory.mktemp("runs"), blocks=10))


def test_the_answer_names_the_boxes_and_the_largest_cost(view: ReportView) -> None:
    answer = " ".join(view.answer)
    assert "9 workloads" in answer
    assert "(ns, docker and kvm)" in answer
    assert "docker in HTTP requests (nginx, wrk): 77 % of native speed" in answer
    assert "no box was measurably slower" in answer


def test_nothing_is_said_of_vms_that_were_emulated(view: ReportView) -> None:
    assert "nothing here says how fast VMs are" in view.answer[-1]
    kvm = [e for metric in view.metrics for e in metric.effects if e.arm.name == "kvm"]
    assert kvm
    assert {effect.reading for effect in kvm} == {"emulated: no claim"}
    assert view.gates[0].level == "stop"
    assert "kvm" in view.gates[0].title


def test_ratios_are_turned_so_that_above_one_is_better(view: ReportView) -> None:
    by_name = {(m.workload, m.metric): m for m in view.metrics}
    for key in (("network.http", "requests_per_second"), ("network.latency", "latency_p50_ns")):
        docker = next(e for e in by_name[key].effects if e.arm.name == "docker")
        assert docker.ratio is not None
        assert docker.high is not None
        assert docker.high < 0.9
        assert docker.reading == "slower"


def test_the_price_table_has_a_row_per_box_and_none_for_the_second_native(view: ReportView) -> None:
    assert [row.arm.name for row in view.prices] == ["native", "ns", "docker", "kvm"]
    assert len(view.price_head) == len(view.prices[0].prices) == 5


def test_a_box_whose_trials_all_fell_to_gates_was_measured_all_the_same(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path, blocks=3)
    trials = [
        replace(trial, status="invalid") if trial.backend == "docker" else trial
        for trial in run.trials()
        if trial.backend != "ns"
    ]
    samples = frame.load(run)
    counted = samples[~samples["backend"].isin(["ns", "docker"])]
    remarks = {
        row.arm.name: {price.remark for price in row.prices}
        for row in build(run.run(), counted, trials).prices
    }
    assert remarks["docker"] == {"no trial that counts"}
    assert remarks["ns"] == {"not measured"}


def test_failed_and_invalid_trials_are_counted_and_listed(view: ReportView) -> None:
    assert {failure.status for failure in view.failures} == {"failed", "invalid"}
    assert all(failure.reason for failure in view.failures)
    assert any("trials count" in gate.title for gate in view.gates)
    assert not any(failure.reason.startswith("the VM") for failure in view.failures)


def test_few_trials_decline_intervals_and_claim_nothing(tmp_path: Path) -> None:
    view = view_of(synthetic.write(tmp_path, blocks=3))
    effects = [e for m in view.metrics for e in m.effects if not (e.arm.again or e.arm.hollow)]
    assert effects
    assert all(e.low is None and e.high is None for e in effects)
    assert {e.reading for e in effects} == {"too few trials to say"}
    assert all("no interval from" in e.note for e in effects)
    assert any("Too few trials" in gate.title for gate in view.gates)
    answer = " ".join(view.answer)
    assert "too few trials yet" in answer
    assert "network work at 7" in answer


def test_a_run_without_native_has_figures_and_no_ratios(tmp_path: Path) -> None:
    run = synthetic.make_run(blocks=6)
    run = replace(run, arms=tuple(arm for arm in run.arms if arm.backend != "native"))
    trials = [(t, s) for t, s in synthetic.make_trials(run) if t.backend != "native"]
    view = view_of(written(tmp_path, run, trials))
    assert view.baseline == ""
    assert not any(metric.effects for metric in view.metrics)
    assert view.metrics[0].values
    assert any(gate.title == "Nothing to compare with" for gate in view.gates)


def test_a_run_without_a_trial_is_a_view_too(tmp_path: Path) -> None:
    view = view_of(RunDirectory.create(tmp_path, synthetic.make_run()))
    assert any(gate.title == "No trial counts" for gate in view.gates)
    assert any(gate.title == "The run is not finished" for gate in view.gates)


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, -5.0, 1e-300, 1e300])
def test_absurd_values_never_become_a_ratio_that_is_no_number(tmp_path: Path, value: float) -> None:
    run = synthetic.make_run(blocks=6)
    trials = [
        (t, [replace(s, value=value) if s.backend == "docker" else s for s in samples])
        for t, samples in synthetic.make_trials(run)
    ]
    view = view_of(written(tmp_path, run, trials))
    floats = [leaf for leaf in texts(view) if isinstance(leaf, float)]
    assert all(math.isfinite(leaf) for leaf in floats)
    assert not any("nan" in leaf.split() for leaf in texts(view) if isinstance(leaf, str))


def test_hostile_text_is_cut_and_freed_of_control_characters(tmp_path: Path) -> None:
    hostile = synthetic.HOSTILE + "\x00\x1b[31m\u202e" + "x" * 50_000
    view = view_of(synthetic.write(tmp_path, blocks=2, hostile=hostile))
    for leaf in texts(view):
        if isinstance(leaf, str):
            assert len(leaf) <= 4096
            assert not set(leaf) & {"\x00", "\x1b", "\u202e"}


def test_effects_inside_the_floor_are_not_called_differences() -> None:
    arms = arm_views(synthetic.make_run())
    base = {block: [100.0 + block] for block in range(8)}
    wild = {block: [(100.0 + block) * (1.05 if block % 2 else 0.95)] for block in base}
    floor = floor_of(effect(arms["native:aa"], base, wild, higher=True, floor=None))
    assert floor is not None
    assert 1.03 < floor.ratio < 1.1
    slower = {block: [value[0] * 0.97] for block, value in base.items()}
    assert effect(arms["ns"], base, slower, higher=True, floor=None).reading == "slower"
    inside = effect(arms["ns"], base, slower, higher=True, floor=floor)
    assert inside.reading == "below what can be shown"


def test_a_noisy_host_is_said_to_be_noisy(tmp_path: Path) -> None:
    run = synthetic.make_run(blocks=8)
    trials = [
        (t, [replace(s, value=s.value * (1.6 if s.block % 2 else 1)) for s in samples])
        if t.profile == "aa" and t.workload.startswith("cpu")
        else (t, samples)
        for t, samples in synthetic.make_trials(run)
    ]
    answer = " ".join(view_of(written(tmp_path, run, trials)).answer)
    assert "In CPU work this host was too noisy to tell" in answer
    assert "In memory work no box was measurably slower" in answer


def test_the_order_interval_matches_the_tables_of_the_sign_test() -> None:
    # David & Nagaraja: at 95 %, n = 5 has none, n = 6 gives (1, 6), n = 10 gives (2, 9).
    assert order_interval([1, 2, 3, 4, 5]).low is None
    assert order_interval([1, 2, 3, 4, 5, 6]).low == 1
    ten = order_interval(list(range(1, 11)))
    assert (ten.low, ten.value, ten.high) == (2, 5.5, 9)


def test_phases_leave_out_waiting_and_records_against_causality() -> None:
    run = synthetic.make_run()
    trial = next(
        t
        for t, _ in synthetic.make_trials(run)
        if t.workload == "startup.http" and t.status == "ok"
    )
    marks = {
        "request": 0, "started": 4, "first_byte": 10, "http_200": 30,
        "stop_request": 500, "stopped": 540, "removed": 600,
    }  # fmt: skip
    arms = arm_views(run)
    good = replace(trial, phases_ns=marks)
    backwards = replace(trial, phases_ns=marks | {"stopped": 400})
    (bar,) = phase_bars(run, [good, backwards], arms, frozenset())
    assert bar.n == 1
    assert {s.phase: s.median_ns for s in bar.segments} == {
        "created": 4, "first_byte": 6, "http_200": 20, "stopped": 40, "removed": 60,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("marks", "durations"),
    [
        (
            {"process": 50, "running": 700, "user_space": 3000, "started": 710, "first_byte": 3100},
            {"process": 50, "running": 650, "user_space": 2300, "first_byte": 100},
        ),
        (  # the launcher's report of the exec arrives after the box's first byte
            {"cloned": 2, "executed": 9, "started": 12, "first_byte": 8},
            {"process": 2, "running": 6, "first_byte": 0},
        ),
    ],
    ids=["a guest", "a launched box"],
)
def test_a_runtimes_finer_phases_take_the_place_of_the_coarse_one(
    marks: dict[str, int], durations: dict[str, int]
) -> None:
    run = synthetic.make_run()
    trial = next(
        t
        for t, _ in synthetic.make_trials(run)
        if t.workload == "startup.http" and t.status == "ok"
    )
    (bar,) = phase_bars(run, [replace(trial, phases_ns=marks)], arm_views(run), frozenset())
    assert {s.phase: s.median_ns for s in bar.segments} == durations


def test_the_chart_knows_every_phase_of_a_boxs_life() -> None:
    shown = [phase for phase, _, _ in PHASES if phase != "created"]
    assert shown == [phase for phase in LIFE if phase not in {"request", "stop_request"}]


def test_known_arms_keep_their_colours_and_strangers_get_free_ones() -> None:
    run = synthetic.make_run()
    run = replace(run, arms=(*run.arms, replace(run.arms[2], backend="zoo", profile="x")))
    slots = {name: arm.slot for name, arm in arm_views(run).items()}
    assert (slots["native"], slots["docker"], slots["kvm"]) == (0, 3, 4)
    assert len(set(slots.values())) == len(slots)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (12_400_000, "ns", "12.4 ms"), (999.99, "ns", "1.00 µs"), (0, "ns", "0 ns"),
        (9_646_899, "B", "9.20 MiB"), (-5 * 2**20, "B", "-5.00 MiB"),
        (48210, "1/s", "48\u202f210 /s"),
        (3.1e10, "bit/s", "31.0 Gbit/s"), (3, "1", "3"), (2.5, "1", "2.50"), (math.nan, "ns", "–"),
    ],
)  # fmt: skip
def test_quantities_read_well(value: float, unit: str, said: str) -> None:
    assert text.quantity(value, unit) == said


def test_cold_arms_are_held_against_native_with_cold_caches(tmp_path: Path) -> None:
    made = synthetic.write(tmp_path, blocks=5)
    cold = {"native": "cold", "docker": "cold"}

    def chilled(trial: Trial, samples: list[Sample]) -> list[tuple[Trial, list[Sample]]]:
        if (trial.backend, trial.profile) not in {("native", "default"), ("docker", "default")}:
            return [(trial, samples)]
        factor = 10.0 if trial.backend == "native" else 20.0
        name = f"{trial.trial_id}:cold"
        again = [
            replace(each, trial_id=name, profile="cold", value=each.value * factor)
            for each in samples
        ]
        return [(trial, samples), (replace(trial, trial_id=name, profile="cold"), again)]

    by_trial: dict[str, list[Sample]] = {}
    for sample in made.samples():
        by_trial.setdefault(sample.trial_id, []).append(sample)
    run = made.run()
    arms = [
        replace(arm, profile="cold")
        for arm in run.arms
        if arm_name(arm.backend, arm.profile) in cold
    ]
    trials = [
        pair for trial in made.trials() for pair in chilled(trial, by_trial.get(trial.trial_id, []))
    ]
    again = replace(run, arms=(*run.arms, *arms))
    view = view_of(written(tmp_path / "again", again, trials))
    metric = next(each for each in view.metrics if each.resource == "cpu" and each.primary)
    ratios = {effect.arm.name: effect for effect in metric.effects}
    warm, cooled = ratios["docker"].ratio, ratios["docker:cold"].ratio
    assert warm
    assert cooled == pytest.approx(2 * warm, rel=0.2)
    assert ratios["docker:cold"].arm.label == "docker:cold, against native:cold"
    assert ratios["native:cold"].ratio == pytest.approx(10.0)
    assert "native:cold" not in view.answer[0]
