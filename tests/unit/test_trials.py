"""The trial engine, exactly, on paper."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.run.loop import run_all
from results.frame import load
from results.ledger.judge.evidence import gather
from results.records.records import WARM_UP
from runtimes.fake.runtime import DEMO_ARGV, FakeInstance, FakeScript, Fault, Reply
from runtimes.fake.script import IDLE as IDLE_STATS
from runtimes.faults import RuntimeFault
from runtimes.resources import LimitsRead
from tests.support.bench_on_paper import DEMO, bench_on_paper
from workloads.base import Command, CommandWork
from workloads.footprint import IDLE as FOOTPRINT
from workloads.startup import STARTUP_IDLE

GOOD = FakeScript(conditions=frozenset())
STEPS = ["start", "hello", "facts", "digest", "run", "limits", "stop", "remove"]


def test_every_trial_has_a_fresh_instance_that_is_removed(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD, "b": GOOD}) as paper:
        tally = run_all(paper.context, paper.slots(blocks=3), paper.directory, paper)
        assert (tally.ok, tally.invalid, tally.failed) == (6, 0, 0)
        started = [
            event
            for each in paper.runtimes.values()
            for event in each.events
            if event.startswith("start ")
        ]
        assert len(started) == len(set(started)) == 6
        assert paper.living() == []


def test_every_iteration_is_a_sample_of_its_trial(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD}, iterations=3) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        samples = list(paper.directory.samples())
    assert [sample.iteration for sample in samples] == [1, 2, 3]
    assert {sample.trial_id for sample in samples} == {"cpu.demo-b001-a"}
    assert all(sample.valid and not sample.reasons for sample in samples)


def test_warm_ups_are_recorded_and_count_nowhere(tmp_path: Path) -> None:
    warm = dataclasses.replace(
        DEMO,
        work=lambda size: CommandWork(Command(DEMO_ARGV, 5.0), size.iterations, warm_ups=2),
    )
    replies = tuple(Reply(stdout=b"%d\n" % speed) for speed in (1, 2, 100, 100, 100))
    script = FakeScript(conditions=frozenset(), replies={DEMO_ARGV: replies})
    with bench_on_paper(tmp_path, {"a": script}, warm, iterations=3) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        samples = list(paper.directory.samples())
        evidence = gather(load(paper.directory))
    assert [(each.iteration, each.value, each.valid) for each in samples] == [
        *((-1, 1.0, False), (0, 2.0, False)),
        *((iteration, 100.0, True) for iteration in (1, 2, 3)),
    ]
    assert [each.reasons for each in samples[:2]] == [(WARM_UP,), (WARM_UP,)]
    assert evidence.of("cpu.demo", "speed", "a").means.tolist() == [100.0]
    assert evidence.invalid == {}


@pytest.mark.parametrize(
    ("speeds", "counted", "codes"),
    [
        ([50, 51, 50, *[100, 101, 99] * 4], [100, 101, 99] * 4, []),  # warm-up
        ([*[100, 101, 99] * 2, *[80, 81, 79] * 3], [80, 81, 79] * 3, ["slowdown"]),
        ([*[100, 101, 99] * 4, 61, 60, 59], [], ["unsteady"]),
        ([100, 101, 99] * 4, [100, 101, 99] * 4, []),
        ([50, 50, 50, 50, 100, 100, 100], [50, 50, 50, 50, 100, 100, 100], []),  # too few
    ],
)
def test_iterations_count_from_where_they_settle(
    tmp_path: Path, speeds: list[int], counted: list[int], codes: list[str]
) -> None:
    replies = tuple(Reply(stdout=b"%d\n" % speed) for speed in speeds)
    script = FakeScript(conditions=frozenset(), replies={DEMO_ARGV: replies})
    with bench_on_paper(tmp_path, {"a": script}, iterations=len(speeds)) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        trials = list(paper.directory.trials())
        samples = list(paper.directory.samples())
    assert [finding.code for finding in trials[-1].findings] == codes
    last = [each for each in samples if each.attempt == trials[-1].attempt]
    assert [each.value for each in last] == speeds
    assert [each.value for each in last if each.valid] == counted


def test_an_unsteady_trial_is_repeated_as_a_disturbed_one(tmp_path: Path) -> None:
    speeds = [*[100, 101, 99] * 4, 61, 60, 59, *[100, 101, 99] * 5]
    replies = tuple(Reply(stdout=b"%d\n" % speed) for speed in speeds)
    script = FakeScript(conditions=frozenset(), replies={DEMO_ARGV: replies})
    calm = FakeScript(
        conditions=frozenset(), replies={DEMO_ARGV: tuple(Reply(stdout=b"5\n") for _ in range(3))}
    )
    with bench_on_paper(tmp_path, {"a": script, "b": calm}, iterations=15) as paper:
        run_all(paper.context, paper.slots(blocks=12), paper.directory, paper)
        trials = [each for each in paper.directory.trials() if each.backend == "a"]
    assert [(each.attempt, each.status) for each in trials[:2]] == [(1, "invalid"), (2, "ok")]
    assert trials[0].disturbed


def test_phases_are_instants_after_the_request(tmp_path: Path) -> None:
    script = FakeScript(
        conditions=frozenset(),
        start_delay_ns=5_000_000,
        first_byte_delay_ns=2_000_000,
        stop_delay_ns=3_000_000,
        remove_delay_ns=1_000_000,
    )
    with bench_on_paper(tmp_path, {"a": script}) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        (trial,) = paper.directory.trials()
    phases = trial.phases_ns
    assert phases["request"] == 0
    assert phases["started"] == 5_000_000
    assert phases["first_byte"] == 7_000_000
    assert phases["stopped"] - phases["stop_request"] == 3_000_000
    assert phases["removed"] - phases["stopped"] == 1_000_000


@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_any_step_fails_that_trial_alone_and_leaves_nothing(
    tmp_path: Path, step: str
) -> None:
    fault = Fault(step, RuntimeFault("it broke", hint="mend it", tail="last words"), call=1)  # type: ignore[arg-type]
    scripts = {"bad": FakeScript(conditions=frozenset(), faults=(fault,)), "good": GOOD}
    with bench_on_paper(tmp_path, scripts) as paper:
        tally = run_all(paper.context, paper.slots(blocks=2), paper.directory, paper)
        trials = {(t.backend, t.block): t for t in paper.directory.trials()}
        samples = list(paper.directory.samples())
        assert paper.living() == []
    assert (tally.ok, tally.failed) == (2, 2)
    failed = trials["bad", 1]
    assert failed.status == "failed"
    assert "it broke" in failed.error
    assert {sample.backend for sample in samples} == {"good"}


def test_a_failed_trial_keeps_the_boxs_last_words_and_those_of_what_failed(tmp_path: Path) -> None:
    script = FakeScript(
        conditions=frozenset(), replies={DEMO_ARGV: (Reply(stdout=b"half of it", wall_ns=None),)}
    )
    with bench_on_paper(tmp_path, {"a": script}) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        (trial,) = paper.directory.trials()
    box, _, job = trial.tail.partition("\n")
    assert "a fake box has no console" in box
    assert job == "half of it"


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupt_at_any_step_leaves_no_instance(tmp_path: Path, step: str) -> None:
    fault = Fault(step, KeyboardInterrupt(), call=1)  # type: ignore[arg-type]
    with bench_on_paper(
        tmp_path, {"a": FakeScript(conditions=frozenset(), faults=(fault,))}
    ) as paper:
        with pytest.raises(KeyboardInterrupt):
            run_all(paper.context, paper.slots(), paper.directory, paper)
        if step != "remove":  # an interrupt inside removal is the orderly handler's to prevent
            assert paper.living() == []
        assert paper.directory.trials() == ()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(stdout=b"banana\n"), "demo wrote no number"),
        (Reply(stdout=b"1\n", status=3), "exit status 3"),
        (Reply(status=-9), "killed by signal 9"),
        (Reply(wall_ns=None), "outlived its time limit"),
        (Reply(stdout=b"nan\n"), "no measurement"),
        (Reply(stdout=b"x" * (9 << 20)), "more output"),
    ],
)
def test_a_workload_that_misbehaves_fails_its_trial_with_the_reason(
    tmp_path: Path, reply: Reply, why: str
) -> None:
    script = FakeScript(conditions=frozenset(), replies={DEMO_ARGV: (reply,)})
    with bench_on_paper(tmp_path, {"a": script}) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        (trial,) = paper.directory.trials()
        assert list(paper.directory.samples()) == []
        assert paper.living() == []
    assert trial.status == "failed"
    assert why in trial.error


def test_an_invalid_trial_keeps_its_samples_and_marks_them(tmp_path: Path) -> None:
    script = FakeScript(conditions=frozenset({"emulated"}))
    with bench_on_paper(tmp_path, {"vm": script}) as paper:
        tally = run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        samples = list(paper.directory.samples())
    assert tally.invalid == 1
    assert samples
    assert all(not sample.valid and sample.reasons == ("emulated",) for sample in samples)


def test_an_emulated_guests_memory_is_a_bound_unless_something_else_is_wrong(
    tmp_path: Path,
) -> None:
    stats = dataclasses.replace(IDLE_STATS, guest_bytes=122 << 20, translation_bytes=57 << 20)
    script = FakeScript(conditions=frozenset({"emulated"}), stats=stats)
    worse = dataclasses.replace(script, program_digest="ee" * 32)
    with bench_on_paper(tmp_path, {"vm": script, "other": worse}, FOOTPRINT) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        evidence = gather(load(paper.directory))
    key = (FOOTPRINT.name, "guest_bytes_marginal")
    assert evidence.bounds[*key, "vm"].means.tolist() == [122 << 20]
    assert set(evidence.bounds) == {(*key, "vm")}
    assert not evidence.values
    assert (FOOTPRINT.name, "translation_bytes_marginal", "vm") in evidence.invalid


def test_of_an_emulated_guest_only_as_many_are_weighed_as_a_bound_needs(tmp_path: Path) -> None:
    emulated = FakeScript(conditions=frozenset({"emulated"}))
    with bench_on_paper(tmp_path, {"vm": emulated, "other": GOOD}, FOOTPRINT) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        started = {
            name: sum(event.startswith("start ") for event in runtime.events)
            for name, runtime in paper.runtimes.items()
        }
    assert started == {"vm": 2, "other": 4}


def test_limits_that_are_not_enforced_are_found(tmp_path: Path) -> None:
    script = FakeScript(conditions=frozenset(), limits=LimitsRead((1,), 2.0, 512 << 20))
    with bench_on_paper(tmp_path, {"a": script}) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        (trial,) = paper.directory.trials()
    assert [finding.code for finding in trial.findings] == ["limits"]


def test_a_box_with_other_bits_is_found(tmp_path: Path) -> None:
    script = FakeScript(conditions=frozenset(), program_digest="ee" * 32)
    with bench_on_paper(tmp_path, {"a": script}) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        (trial,) = paper.directory.trials()
    assert [finding.code for finding in trial.findings] == ["program-digest"]


def test_a_resumed_run_continues_where_the_journal_ends(tmp_path: Path) -> None:
    stop_in_third = Fault("run", KeyboardInterrupt(), instance="*-2", call=1)
    with (
        bench_on_paper(
            tmp_path, {"a": FakeScript(conditions=frozenset(), faults=(stop_in_third,))}
        ) as paper,
        pytest.raises(KeyboardInterrupt),
    ):
        run_all(paper.context, paper.slots(blocks=4), paper.directory, paper)
    with bench_on_paper(tmp_path, {"a": GOOD}) as paper:
        done = {trial.trial_id for trial in paper.directory.trials()}
        assert len(done) == 2
        rest = [slot for slot in paper.slots(blocks=4) if slot.trial_id not in done]
        run_all(paper.context, rest, paper.directory, paper)
        ids = [trial.trial_id for trial in paper.directory.trials()]
    assert sorted(ids) == sorted(set(ids))
    assert len(ids) == 4


def test_an_idle_start_is_timed_from_request_to_first_byte_and_to_its_end(tmp_path: Path) -> None:
    slow = FakeScript(
        conditions=frozenset(),
        start_delay_ns=2_000_000,
        first_byte_delay_ns=3_000_000,
        stop_delay_ns=5_000_000,
        remove_delay_ns=7_000_000,
    )
    with bench_on_paper(tmp_path, {"a": slow}, STARTUP_IDLE) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        values = {each.metric: each.value for each in paper.directory.samples()}
        (trial,) = paper.directory.trials()
    assert trial.status == "ok", trial.error
    assert set(values) == {metric.name for metric in STARTUP_IDLE.metrics} - {"guest_kernel_ns"}
    assert values["first_byte_ns"] == 5_000_000
    assert values["ended_ns"] == values["stopped_ns"] + values["removed_ns"] == 12_000_000


def test_what_a_guests_own_clock_says_is_a_duration_beside_the_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"guest_kernel": 4_000_000, "unheard_of": 1}
    monkeypatch.setattr(FakeInstance, "durations_ns", lambda _: told, raising=False)
    with bench_on_paper(tmp_path, {"a": FakeScript(conditions=frozenset())}, STARTUP_IDLE) as paper:
        run_all(paper.context, paper.slots(blocks=1), paper.directory, paper)
        values = {each.metric: each.value for each in paper.directory.samples()}
        (trial,) = paper.directory.trials()
    assert values["guest_kernel_ns"] == 4_000_000
    assert "unheard_of_ns" not in values
    assert not {"guest_kernel", "unheard_of"} & trial.phases_ns.keys()
