"""The fake runtime keeps the same promises as a real one, and fails exactly where it is told to."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from runtimes.agent.channel import AgentFault
from runtimes.base import InstanceSpec, Lease, Network, Runtime, Site
from runtimes.fake.runtime import (
    DEMO_ARGV,
    FakeClock,
    FakeInstance,
    FakeRuntime,
    FakeScript,
    Fault,
    Reply,
)
from runtimes.fake.script import Step
from runtimes.fake.tools import REPERTOIRE
from runtimes.faults import RuntimeFault
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.resources import Limits, LimitsRead
from workloads import cpu, memory
from workloads.base import CommandWork, Output, Size, Workload

LIMITS = Limits((0, 2), 1.5, 512 << 20)


class PaperRootfs:
    """As much of a root filesystem as a fake box has."""

    digest = "sha256:feed"

    def program_digest(self, path: str) -> str:
        """The same for every program, of which there is one."""
        if path != "/usr/bin/demo":
            raise RuntimeFault(f"{path} is not a program")
        return "ab" * 32


class PaperNetwork:
    """As much of a network."""

    host_address = "10.0.0.1"
    wire = "wire"
    range_length = 8


SITE = Site(
    run="3fa9c1",
    state=Path("/nowhere"),
    cache=Path("/nowhere"),
    rootfs=cast("Rootfs", PaperRootfs()),
    network=cast("Network", PaperNetwork()),
    limits=LIMITS,
    progress=lambda _: None,
)


def spec(number: int) -> InstanceSpec:
    return InstanceSpec(
        name=f"tb-3fa9c1-{number}",
        profile="default",
        limits=LIMITS,
        lease=Lease(number, "10.1.0.2", "52:54:00:00:00:02", 20_000 + number),
    )


def whole_life(runtime: FakeRuntime, number: int = 0) -> FakeInstance:
    """Every step of one box, removed at the end come what may."""
    with runtime.prepare(SITE, frozenset({"default"})) as engine:
        instance = engine.start(spec(number))
        try:
            instance.agent.hello(1)
            instance.agent.facts()
            instance.agent.digest("/usr/bin/demo")
            instance.limits()
            instance.agent.run(DEMO_ARGV, timeout_s=1)
            instance.stats()
            instance.stop(1)
        finally:
            instance.remove()
        return instance


def test_it_is_a_runtime_like_any_other() -> None:
    assert isinstance(FakeRuntime(), Runtime)
    assert FakeRuntime().availability({}).ok


def test_a_life_takes_exactly_the_time_that_its_script_says() -> None:
    script = FakeScript(start_delay_ns=5_000_000, first_byte_delay_ns=700_000)
    runtime = FakeRuntime(script, FakeClock())
    begun_ns = runtime.clock.now_ns()
    with runtime.prepare(SITE, frozenset({"default"})) as engine:
        instance = engine.start(spec(0))
        assert runtime.clock.now_ns() - begun_ns == 5_000_000
        assert instance.agent.hello(1) - begun_ns == 5_700_000
        result = instance.agent.run(DEMO_ARGV, timeout_s=1)
        assert runtime.clock.now_ns() - begun_ns == 5_700_000 + result.wall_ns


def test_it_shows_the_sites_bits_and_the_limits_asked_for() -> None:
    runtime = FakeRuntime(clock=FakeClock())
    with runtime.prepare(SITE, frozenset({"default"})) as engine:
        instance = engine.start(spec(0))
        instance.agent.hello(1)
        facts = instance.agent.facts()
        assert facts["rootfs_digest"] == engine.bits()["rootfs"] == "sha256:feed"
        assert facts["affinity"] == "0,2"
        assert instance.agent.digest("/usr/bin/demo") == "ab" * 32
        assert instance.limits() == LimitsRead((0, 2), 1.5, 512 << 20, 2048)
        with pytest.raises(AgentFault, match="not a program"):
            instance.agent.digest("/usr/bin/other")


def test_other_bits_and_limits_can_be_scripted() -> None:
    wrong = LimitsRead((1,), None, 1 << 30)
    script = FakeScript(limits=wrong, rootfs_digest="sha256:bad", program_digest="cd" * 32)
    with FakeRuntime(script, FakeClock()).prepare(SITE, frozenset()) as engine:
        instance = engine.start(spec(0))
        instance.agent.hello(1)
        facts = instance.agent.facts()
        assert (facts["affinity"], facts["rootfs_digest"]) == ("1", "sha256:bad")
        assert "cgroup_cpu_max" not in facts
        assert instance.agent.digest("/any") == "cd" * 32
        assert instance.limits() == wrong


def test_replies_come_in_turn_over_all_instances_and_the_longest_match_counts() -> None:
    replies = {
        ("tool",): (Reply(b"any"),),
        ("tool", "sub"): (Reply(b"1"), Reply(b"2", b"why", 3)),
    }
    with FakeRuntime(FakeScript(replies=replies), FakeClock()).prepare(SITE, frozenset()) as engine:
        first, second = engine.start(spec(0)), engine.start(spec(1))
        outputs = []
        for instance in (first, second, first):
            instance.agent.hello(1)
            result = instance.agent.run(["tool", "sub", "-x"], timeout_s=1)
            outputs.append((result.stdout, result.stderr, result.status))
        assert outputs == [(b"1", b"", 0), (b"2", b"why", 3), (b"1", b"", 0)]
        assert first.agent.run(["tool"], timeout_s=1).stdout == b"any"
        with pytest.raises(AgentFault, match="cannot run other: No such file"):
            first.agent.run(["other"], timeout_s=1)


def test_a_command_without_end_is_killed_at_its_limit_or_on_demand() -> None:
    runtime = FakeRuntime(clock=FakeClock())
    with runtime.prepare(SITE, frozenset()) as engine:
        instance = engine.start(spec(0))
        instance.agent.hello(1)
        result = instance.agent.run(["sleep", "inf"], timeout_s=7)
        assert (result.timed_out, result.status, result.wall_ns) == (True, -9, 7_000_000_000)
        service = instance.agent.spawn(["sleep", "inf"], timeout_s=3600)
        assert instance.agent.run(["true"], timeout_s=1).status == 0
        service.kill(signal.SIGTERM)
        assert service.wait(1).status == -signal.SIGTERM


STEPS: tuple[Step, ...] = (
    "prepare", "start", "hello", "facts", "digest", "limits", "run", "stats", "stop", "remove",
)  # fmt: skip


@pytest.mark.parametrize("error", [RuntimeFault("scripted"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_comes_out_at_its_step_and_later_steps_do_not_happen(
    step: Step, error: BaseException
) -> None:
    runtime = FakeRuntime(FakeScript(faults=(Fault(step, error),)), FakeClock())
    with pytest.raises(type(error)) as caught:
        whole_life(runtime)
    assert caught.value is error
    happened = list(dict.fromkeys(event.split()[0] for event in runtime.events))
    reached = STEPS[: STEPS.index(step) + 1]
    assert [each for each in happened if each != "remove"] == [
        each for each in reached if each != "remove"
    ]


def test_a_fault_strikes_only_the_instance_and_call_that_it_names() -> None:
    fault = Fault("run", RuntimeFault("scripted"), instance="*-1", call=2)
    with FakeRuntime(FakeScript(faults=(fault,)), FakeClock()).prepare(SITE, frozenset()) as engine:
        for number in range(2):
            instance = engine.start(spec(number))
            instance.agent.hello(1)
            instance.agent.run(DEMO_ARGV, timeout_s=1)
            if number == 0:
                instance.agent.run(DEMO_ARGV, timeout_s=1)
                continue
            with pytest.raises(RuntimeFault, match="scripted"):
                instance.agent.run(DEMO_ARGV, timeout_s=1)
            instance.agent.run(DEMO_ARGV, timeout_s=1)


def test_what_is_removed_is_gone_and_what_is_left_goes_with_the_engine() -> None:
    runtime = FakeRuntime(clock=FakeClock())
    with runtime.prepare(SITE, frozenset()) as engine:
        kept, removed = engine.start(spec(0)), engine.start(spec(1))
        removed.agent.hello(1)
        removed.remove()
        removed.remove()
        assert list(engine.living) == [kept.spec.name]
        with pytest.raises(AgentFault, match="channel to the agent is closed"):
            removed.agent.run(["true"], timeout_s=1)
    assert not engine.living
    assert runtime.events.count("remove tb-3fa9c1-1") == 1


def test_a_box_ends_when_it_is_stopped_and_not_before() -> None:
    with FakeRuntime(clock=FakeClock()).prepare(SITE, frozenset()) as engine:
        instance = engine.start(replace(spec(0), name="tb-3fa9c1-9"))
        with pytest.raises(TimeoutError):
            instance.wait(1)
        instance.stop(1)
        assert instance.wait(1) == 0


@pytest.mark.parametrize(
    "workload",
    [cpu.SYSBENCH_CPU, cpu.OPENSSL_SHA256, memory.STREAM, memory.RANDOM_LATENCY],
    ids=lambda workload: workload.name,
)
def test_its_repertoire_is_what_the_real_parsers_read(workload: Workload) -> None:
    work = workload.work(Size(iterations=1, seconds=1))
    assert isinstance(work, CommandWork)
    argv = work.command.argv
    replies = next(found for words, found in REPERTOIRE.items() if argv[: len(words)] == words)
    for reply in replies:
        measured = dict(workload.parse(Output(reply.stdout, reply.stderr, 1)))
        assert measured.keys() == {metric.name for metric in workload.metrics}
