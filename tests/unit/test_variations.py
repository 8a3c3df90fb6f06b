"""Profiles that lack what their runtime can do, and runtimes that can be taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from harness.plan.plan import Plan, Request, make_plan
from harness.plan.schedule import Arm
from harness.plan.selection import choose_workloads
from harness.plan.suites import SUITES, suite
from harness.prepare.prepare import _loses_limits, _steps
from reports.view.counterparts import COUNTERPARTS
from results.records.records import WaterfallStep
from runtimes import registry, variations
from runtimes.base import Availability, Capability, Runtime
from runtimes.fake.runtime import FakeRuntime
from workloads.application.repeats import FEWEST
from workloads.base import CommandWork
from workloads.registry import load

CAN = frozenset({Capability.NETWORK, Capability.VOLUME, Capability.LIMITS})


@dataclass
class Kind:
    """A runtime, as far as planning looks at it."""

    name: str = "ns"
    profiles: dict[str, str] = field(
        default_factory=lambda: {"default": "", "wf-1": "", "wf-2": ""}
    )
    capabilities: frozenset[Capability] = CAN
    lacking: dict[str, frozenset[Capability]] = field(
        default_factory=lambda: {"wf-1": CAN, "wf-2": frozenset({Capability.VOLUME})}
    )
    steps: tuple[variations.Step, ...] = (
        variations.Step("wf-1", "nothing", "Nothing."),
        variations.Step("wf-2", "something", "Something."),
    )

    def availability(self, options: object) -> Availability:
        del options
        return Availability(ok=True, reason="")


NS = cast("Runtime", Kind())
NATIVE = cast("Runtime", Kind("native", {"default": "", "aa": ""}, CAN, {}, ()))
WORKLOADS = load().workloads


def plan(workload: str) -> Plan:
    request = Request(backend="ns:wf-*,ns", workload=workload, blocks=1, seed=1, cpus="1")
    return make_plan(request, {"ns": NS, "native": NATIVE}, WORKLOADS)


def profiles_in(made: Plan, workload: str) -> set[str]:
    slots = made.slots({"ns": NS, "native": NATIVE})
    return {slot.arm.name for slot in slots if slot.workload == workload}


def test_a_profile_without_a_network_is_left_out_of_what_needs_one() -> None:
    made = plan("network.latency,startup.idle")
    assert "ns:wf-1" not in profiles_in(made, "network.latency")
    assert {"ns:wf-2", "ns", "native"} <= profiles_in(made, "network.latency")
    assert "ns:wf-1" in profiles_in(made, "startup.idle")


def test_a_profile_without_a_volume_is_left_out_of_what_needs_one() -> None:
    made = plan("storage.random-read")
    assert profiles_in(made, "storage.random-read") == {"ns", "native", "native:aa"}


def test_a_runtime_that_says_nothing_lacks_nothing_and_has_no_steps() -> None:
    plain = FakeRuntime()
    assert variations.capabilities(plain, "default") == plain.capabilities
    assert variations.steps(plain) == ()


def test_only_what_the_runtime_can_do_otherwise_is_lost() -> None:
    assert _loses_limits(NS, "wf-1")
    assert not _loses_limits(NS, "wf-2")
    assert not _loses_limits(FakeRuntime(), "default")


def test_steps_are_recorded_with_their_place() -> None:
    assert _steps({"ns": NS}) == {
        Arm("ns", "wf-1"): WaterfallStep(1, "nothing", "Nothing."),
        Arm("ns", "wf-2"): WaterfallStep(2, "something", "Something."),
    }


def test_every_step_of_an_installed_runtime_is_a_profile_of_it() -> None:
    taken_apart = 0
    for runtime in registry.load().runtimes.values():
        steps = variations.steps(runtime)
        taken_apart += bool(steps)
        assert {step.profile for step in steps} <= set(runtime.profiles)
        for profile in runtime.profiles:
            assert variations.capabilities(runtime, profile) <= runtime.capabilities
    assert taken_apart


def test_the_suite_takes_every_step_of_ns_and_what_there_is_beside_it() -> None:
    runtimes = registry.load().runtimes
    chosen = suite("waterfall")
    request = Request(suite="waterfall", backend=chosen.backend, blocks=1, cpus="1")
    able = {name: _able(runtime) for name, runtime in runtimes.items()}
    made = make_plan(request, able, WORKLOADS)
    steps = {Arm("ns", step.profile) for step in variations.steps(runtimes["ns"])}
    assert steps | {Arm("ns"), Arm("native"), Arm("native", "aa")} <= set(made.arms)
    assert Arm("kvm") not in made.arms
    assert {"startup.idle", "startup.http", "system.call"} <= set(made.workloads)


def test_suites_name_workloads_that_exist() -> None:
    for each in SUITES.values():
        assert set(each.rounds) <= set(WORKLOADS)
        assert choose_workloads(each.workload, WORKLOADS)


def test_quick_takes_named_workloads_so_that_a_new_one_does_not_lengthen_it() -> None:
    assert len(choose_workloads(suite("quick").workload, WORKLOADS)) == 9


def test_felters_arms_and_list_are_taken_where_they_can_be_had() -> None:
    runtimes = {each: _able(runtime) for each, runtime in registry.load().runtimes.items()}
    made = make_plan(Request(suite="felter", cpus="1"), runtimes, WORKLOADS)
    assert {"docker", "docker:host-net", "kvm", "kvm:tuned"} <= {
        arm.backend if arm.profile == "default" else f"{arm.backend}:{arm.profile}"
        for arm in made.arms
    }
    assert made.tolerant
    assert set(made.workloads) <= {each.workload for each in COUNTERPARTS}


def _able(runtime: Runtime) -> Runtime:
    """The same runtime on a host where it can run."""
    kind = Kind(runtime.name, dict(runtime.profiles), runtime.capabilities, {}, ())
    return cast("Runtime", replace(kind, lacking=getattr(runtime, "lacking", {})))


@pytest.mark.parametrize("profile", ["default", "micro"])
def test_a_cold_profile_is_made_as_the_one_it_is_named_after(profile: str) -> None:
    cold = variations.chilled(profile)
    assert variations.is_cold(cold)
    assert not variations.is_cold(profile)
    assert variations.boxed(cold) == variations.boxed(profile) == profile


def test_a_cold_profile_lacks_what_the_warm_one_lacks() -> None:
    warm, cold = (variations.capabilities(NS, name) for name in ("wf-1", "wf-1:cold"))
    assert warm == cold == frozenset()
    assert {"cold", "wf-1:cold", "wf-1"} <= set(variations.profiles(NS))


def test_the_suite_of_applications_asks_for_iterations_that_can_show_a_steady_state() -> None:
    chosen = suite("application")
    workloads = choose_workloads(chosen.workload, WORKLOADS)
    works = [each.work(chosen.size) for each in workloads.values()]
    assert len(works) == 5
    assert all(isinstance(each, CommandWork) and each.iterations >= FEWEST for each in works)
