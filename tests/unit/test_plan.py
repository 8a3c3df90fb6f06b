"""What a run is going to do, decided before anything is started."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.plan.plan import Request, make_plan
from harness.plan.schedule import Arm
from runtimes.base import Capability
from runtimes.fake.runtime import FakeRuntime, FakeScript
from workloads.registry import load

EVERYTHING = frozenset(Capability) - {Capability.IMAGINARY}
RUNTIMES = {
    name: FakeRuntime(FakeScript(capabilities=EVERYTHING), name=name)
    for name in ("native", "ns", "oci", "kvm")
}
WORKLOADS = load().workloads


def pairs(request: Request, never_valid: frozenset[Arm] = frozenset()) -> Counter[tuple[str, str]]:
    plan = make_plan(request, RUNTIMES, WORKLOADS)
    slots = plan.slots(RUNTIMES, never_valid)
    return Counter((slot.arm.backend, slot.workload) for slot in slots)


def test_a_tier_takes_part_in_what_a_tier_adds_to() -> None:
    did = pairs(Request())
    assert {workload for backend, workload in did if backend == "oci"} == {
        "footprint.idle",
        "startup.http",
    }
    assert ("ns", "cpu.sysbench") in did


@pytest.mark.parametrize(
    "request_", [Request(backend="oci"), Request(workload="cpu.sysbench"), Request(suite="full")]
)
def test_who_names_a_backend_or_a_workload_gets_it(request_: Request) -> None:
    assert ("oci", "cpu.sysbench") in pairs(request_)


def test_an_arm_that_can_never_count_is_shown_in_the_first_blocks_alone() -> None:
    did = pairs(Request(), frozenset({Arm("kvm")}))
    assert did["kvm", "cpu.sysbench"] == 1
    assert did["ns", "cpu.sysbench"] == 5
    assert did["kvm", "startup.http"] == 1


def test_a_suite_may_keep_a_workload_whole_that_could_take_turns() -> None:
    def sliced(suite: str) -> frozenset[str]:
        return make_plan(Request(backend="ns", suite=suite), RUNTIMES, WORKLOADS).sliced

    network = {"network.throughput", "network.latency"}
    assert sliced("quick") >= network
    assert sliced("felter").isdisjoint(network)


def test_an_arm_that_bounds_takes_part_as_often_as_an_interval_needs() -> None:
    """An emulated guest's memory is memory: one trial of it would bound nothing with certainty."""
    never_valid = frozenset({Arm("kvm")})
    assert pairs(Request(), never_valid)["kvm", "footprint.idle"] == 5
    assert pairs(Request(suite="standard"), never_valid)["kvm", "footprint.idle"] == 5
    assert pairs(Request(suite="full"), never_valid)["kvm", "cpu.sysbench"] == 5
