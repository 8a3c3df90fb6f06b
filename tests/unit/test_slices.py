"""Blocks that work in slices: scheduled, recorded, and what one box's end does to the others."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from harness.run.loop import Tally, run_all
from harness.run.repeats import took_s
from harness.trial.slices.block import LEAST_ROUNDS
from results.records.records import Sample, Trial
from runtimes.agent.channel import Agent, AgentFault
from runtimes.fake.runtime import FakeEngine, FakeRuntime, FakeScript, Fault, Line, Reply
from tests.support.bench_on_paper import DEMO, PaperBench, bench_on_paper
from workloads.base import (
    Answer,
    CommandSlices,
    ResidentSlices,
    Service,
    Side,
    Workload,
    WorkloadFault,
)

RESIDENT = ("demo-slices",)
MS = 1_000_000


def parse_slice(line: bytes) -> Answer:
    """``SPAN_NS SPEED``."""
    try:
        span, speed = line.decode().split()
        return Answer(int(span), (("speed", float(speed)),))
    except ValueError:
        raise WorkloadFault(f"demo answered {line!r}") from None


SLICED = dataclasses.replace(
    DEMO, slices=ResidentSlices(RESIDENT, parse_slice, set_up_s=5.0, timeout_s=3.0)
)


def speed(value: float, span_ns: int = 50 * MS, late_ns: int = 2 * MS) -> Line:
    return Line(f"{span_ns} {value}\n".encode(), wall_ns=span_ns + late_ns)


def script(*answers: Line, faults: tuple[Fault, ...] = ()) -> FakeScript:
    resident = Reply(stdout=b"ready\n", wall_ns=None, answers=answers or (speed(1000.0),))
    return FakeScript(conditions=frozenset(), replies={RESIDENT: (resident,)}, faults=faults)


def run(paper: PaperBench, blocks: int = 1) -> Tally:
    paper.context.sliced = frozenset({SLICED.name})
    return run_all(paper.context, paper.slots(blocks), paper.directory, paper)


def recorded(
    tmp_path: Path, scripts: Mapping[str, FakeScript], blocks: int = 1
) -> tuple[dict[str, Trial], list[Sample], PaperBench]:
    with bench_on_paper(tmp_path, scripts, SLICED, iterations=1) as paper:
        run(paper, blocks)
        trials = {trial.backend: trial for trial in paper.directory.trials()}
        samples = list(paper.directory.samples())
        assert paper.living() == []
    return trials, samples, paper


def counted(samples: list[Sample], arm: str) -> list[Sample]:
    return [each for each in samples if each.backend == arm and each.valid]


def test_each_arm_does_every_round_once_and_places_are_all_taken(tmp_path: Path) -> None:
    trials, samples, _ = recorded(tmp_path, {"a": script(), "b": script(), "c": script()})
    assert {trial.status for trial in trials.values()} == {"ok"}
    assert {trial.beside for trial in trials.values()} == {2}
    assert sorted(each.place for each in samples if each.place is not None) == list(range(3 * 21))
    for arm in "abc":
        assert [each.iteration for each in counted(samples, arm)] == list(range(1, 21))


def test_the_first_round_warms_and_counts_nowhere(tmp_path: Path) -> None:
    _, samples, _ = recorded(tmp_path, {"a": script(), "b": script()})
    first = [each for each in samples if each.iteration == 0]
    assert {each.backend for each in first} == {"a", "b"}
    assert {(each.valid, each.reasons) for each in first} == {(False, ("warm-up",))}


def test_each_slice_names_the_arm_before_it(tmp_path: Path) -> None:
    _, samples, _ = recorded(tmp_path, {"a": script(), "b": script(), "c": script()})
    in_order = sorted(samples, key=lambda each: -1 if each.place is None else each.place)
    assert in_order[0].after == ""
    for before, here in itertools.pairwise(in_order):
        assert here.after == before.backend


def test_instances_start_before_the_first_slice_and_stop_after_the_last(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": script(), "b": script()}, SLICED) as paper:
        run(paper)
        events = [each for runtime in paper.runtimes.values() for each in runtime.events]
        times = {name: runtime.events for name, runtime in paper.runtimes.items()}
    assert sum(each.startswith("start ") for each in events) == 2
    for mine in times.values():
        kinds = [each.split()[0] for each in mine]
        assert kinds.index("ask") > kinds.index("digest")
        assert kinds[-2:] == ["stop", "remove"]


def test_a_slice_is_as_long_as_switching_demands(tmp_path: Path) -> None:
    slow = script(speed(1000.0, 50 * MS, late_ns=30 * MS))
    _, samples, _ = recorded(tmp_path, {"a": slow, "b": slow})
    rounds = {each.iteration for each in counted(samples, "a")}
    assert rounds == set(range(1, max(LEAST_ROUNDS, 9) + 1))  # 1 s in slices of 4 × 30 ms


def test_a_box_that_dies_between_slices_fails_and_the_others_go_on(tmp_path: Path) -> None:
    gone = Fault("ask", AgentFault("the agent closed the channel"), call=7)
    trials, samples, _ = recorded(
        tmp_path, {"a": script(), "b": script(faults=(gone,)), "c": script()}
    )
    assert trials["b"].status == "failed"
    assert "closed the channel" in trials["b"].error
    assert [each for each in samples if each.backend == "b"] == []
    for arm in "ac":
        assert trials[arm].status == "ok"
        assert len(counted(samples, arm)) == 20


def test_a_slice_that_hangs_costs_its_own_instance_only(tmp_path: Path) -> None:
    hangs = script(*[speed(1000.0)] * 6, Line(b"", wall_ns=None))
    trials, samples, _ = recorded(tmp_path, {"a": script(), "b": hangs})
    assert trials["b"].status == "failed"
    assert "gave up waiting for an answer" in trials["b"].error
    assert trials["a"].status == "ok"
    assert len(counted(samples, "a")) == 20


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (Line(b"nonsense\n"), "demo answered"),
        (Line(b"50000000 nan\n"), "no measurement"),
        (Line(b"50000000 1000\nmore\n"), "nobody asked for"),
        (Line(b"x" * 5000), "more than a line"),
        (Line(b"", wall_ns=0, status=1), "ended with status 1 before it answered"),
    ],
)
def test_an_answer_that_is_none_fails_its_instance(tmp_path: Path, line: Line, why: str) -> None:
    bad = script(*[speed(1000.0)] * 5, line)
    trials, _, _ = recorded(tmp_path, {"a": script(), "b": bad})
    assert trials["b"].status == "failed"
    assert why in trials["b"].error
    assert trials["a"].status == "ok"


def test_a_clock_that_jumps_makes_its_instance_invalid_alone(tmp_path: Path) -> None:
    jumps = script(*[speed(1000.0)] * 9, Line(b"900000000 1000\n", wall_ns=52 * MS))
    trials, samples, _ = recorded(tmp_path, {"a": script(), "b": jumps})
    assert [each.code for each in trials["b"].findings] == ["guest-clock"]
    assert trials["b"].status == "invalid"
    assert trials["a"].status == "ok"
    assert counted(samples, "b") == []


def test_a_program_that_is_wrong_at_its_end_fails(tmp_path: Path) -> None:
    ends = Reply(stdout=b"ready\n", wall_ns=None, answers=(speed(1.0),), end_status=1)
    wrong = FakeScript(conditions=frozenset(), replies={RESIDENT: (ends,)})
    trials, _, _ = recorded(tmp_path, {"a": script(), "b": wrong})
    assert "exit status 1" in trials["b"].error
    assert trials["a"].status == "ok"


def test_a_box_that_cannot_start_costs_nothing_but_itself(tmp_path: Path) -> None:
    broken = script(faults=(Fault("start", OSError(5, "no such box"), call=1),))
    trials, samples, _ = recorded(tmp_path, {"a": script(), "b": broken, "c": script()})
    assert trials["b"].status == "failed"
    assert len(counted(samples, "a")) == 20
    assert len(counted(samples, "c")) == 20


@pytest.mark.parametrize("step", ["start", "hello", "digest", "limits", "ask", "stop", "remove"])
def test_ctrl_c_at_any_step_leaves_no_box_and_no_record(tmp_path: Path, step: str) -> None:
    stopped = Fault(step, KeyboardInterrupt(), call=1)  # type: ignore[arg-type]  # of a table
    scripts = {"a": script(), "b": script(faults=(stopped,)), "c": script()}
    with bench_on_paper(tmp_path, scripts, SLICED) as paper:
        with pytest.raises(KeyboardInterrupt):
            run(paper)
        assert paper.living() == []
        assert paper.directory.trials() == ()


def test_a_killed_run_does_the_block_again_whole(tmp_path: Path) -> None:
    scripts = {"a": script(), "b": script()}
    with bench_on_paper(tmp_path, scripts, SLICED) as paper:
        run(paper)
    journal = next((tmp_path / "runs").glob("*/trials.jsonl"))
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0])  # the kill came between two records of one block
    with bench_on_paper(tmp_path, scripts, SLICED) as paper:
        assert run(paper).ok == 2
        tries = {(each.backend, each.attempt) for each in paper.directory.trials()}
    assert {(arm, 2) for arm in "ab"} < tries


def test_a_finished_block_is_not_done_again(tmp_path: Path) -> None:
    scripts = {"a": script(), "b": script()}
    with bench_on_paper(tmp_path, scripts, SLICED) as paper:
        run(paper)
    with bench_on_paper(tmp_path, scripts, SLICED) as paper:
        assert run(paper).ok == 0


def test_where_memory_does_not_suffice_trials_run_one_by_one_and_it_is_said(
    tmp_path: Path,
) -> None:
    with bench_on_paper(tmp_path, {"a": script(), "b": script()}, SLICED) as paper:
        paper.context.available_bytes = lambda: 1 << 30
        run(paper, blocks=2)
        trials = paper.directory.trials()
    assert {trial.beside for trial in trials} == {0}
    assert {trial.status for trial in trials} == {"ok"}
    (said,) = [note for note in paper.notes if "one trial after another" in note]
    assert said.endswith("2 boxes at once may take 1280 MiB of 1024 MiB available")


def test_an_emulated_arm_has_its_trial_alone(tmp_path: Path) -> None:
    emulated = dataclasses.replace(script(), conditions=frozenset({"emulated"}))
    with bench_on_paper(tmp_path, {"a": script(), "b": script(), "kvm": emulated}, SLICED) as paper:
        run(paper)
        beside = {trial.backend: trial.beside for trial in paper.directory.trials()}
    assert beside == {"a": 1, "b": 1, "kvm": 0}


def test_a_command_does_as_many_units_in_every_arm(tmp_path: Path) -> None:
    work = CommandSlices(
        ("demo-count", "{count}"), SLICED.parse, rate="speed", probe=20, timeout_s=5.0
    )
    commands = dataclasses.replace(DEMO, slices=work)
    probe, reply = (Reply(stdout=b"1000\n", wall_ns=ms * MS) for ms in (25, 55))
    replies = {("demo-count",): (probe, probe, *[reply] * 21)}
    scripts = {name: FakeScript(conditions=frozenset(), replies=replies) for name in ("a", "b")}
    with bench_on_paper(tmp_path, scripts, commands, iterations=1) as paper:
        run(paper)
        samples = list(paper.directory.samples())
        runs = [each for each in paper.runtimes["a"].events if each.startswith("run ")]
    assert {each.value for each in samples} == {1000.0}
    assert len(counted(samples, "a")) == 20
    assert len(runs) == 2 + 21  # two probes, a round that warms, twenty that count


def test_limits_that_are_not_enforced_are_found_in_slices_too(tmp_path: Path) -> None:
    loose = dataclasses.replace(script(), facts={"cgroup_memory_max_bytes": str(1 << 40)})
    trials, _, _ = recorded(tmp_path, {"a": script(), "b": loose})
    assert trials["b"].status == "invalid"
    assert trials["a"].status == "ok"


def test_hostile_bytes_of_one_box_do_not_reach_the_others(tmp_path: Path) -> None:
    flood = script(Line(b"9" * 60_000 + b"\n"))
    with contextlib.suppress(OSError):
        trials, _, _ = recorded(tmp_path, {"a": script(), "b": flood})
    assert trials["b"].status == "failed"
    assert trials["a"].status == "ok"


def test_the_box_time_of_a_block_is_shared_among_its_trials(tmp_path: Path) -> None:
    trials, _, _ = recorded(tmp_path, {"a": script(), "b": script(), "c": script()})
    block_s = max(max(each.phases_ns.values()) for each in trials.values()) / 1e9
    assert sum(took_s(each) for each in trials.values()) == pytest.approx(block_s, rel=0.1)


SERVER = ("demo-server",)


def served() -> Workload:
    server = Service(SERVER, Side.PEER, timeout_s=5.0, ready=b"listening")
    slices = ResidentSlices(
        (*RESIDENT, "{peer}"), parse_slice, set_up_s=5.0, timeout_s=3.0, server=server
    )
    return dataclasses.replace(DEMO, needs_network=True, slices=slices)


@contextlib.contextmanager
def peer_of(paper: PaperBench, server: Reply, events: list[str]) -> Iterator[Agent]:
    runtime = FakeRuntime(FakeScript(replies={SERVER: (server,)}), paper.runtimes["a"].clock)
    engine = paper.context.engines["a"]
    assert isinstance(engine, FakeEngine)
    with runtime.prepare(engine.site, frozenset()) as made:
        agent = made.start(paper.context.spec("default")).agent
        agent.hello(1.0)
        living = len(paper.living())
        yield agent
        events += [f"{living} boxes before", f"{len(paper.living())} after", *runtime.events]


def with_server(tmp_path: Path, server: Reply) -> tuple[dict[str, Trial], list[str]]:
    events: list[str] = []
    workload = served()
    with bench_on_paper(tmp_path, {"a": script(), "b": script()}, workload) as paper:
        paper.context.sliced = frozenset({workload.name})
        paper.context.peer = lambda: peer_of(paper, server, events)
        run_all(paper.context, paper.slots(1), paper.directory, paper)
        return {trial.backend: trial for trial in paper.directory.trials()}, events


def test_one_server_at_the_peer_serves_all_boxes_of_a_block(tmp_path: Path) -> None:
    trials, events = with_server(tmp_path, Reply(stdout=b"listening\n", wall_ns=None))
    assert {trial.status for trial in trials.values()} == {"ok"}
    assert events[:2] == ["0 boxes before", "0 after"]
    assert sum(event.startswith("run ") for event in events) == 1


def test_a_server_that_does_not_come_up_fails_every_trial_of_the_block(tmp_path: Path) -> None:
    trials, _ = with_server(tmp_path, Reply(stdout=b"address in use\n", status=1))
    assert {trial.status for trial in trials.values()} == {"failed"}
    assert all("demo-server" in trial.error for trial in trials.values())
