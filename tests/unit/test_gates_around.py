"""Gates on what happened around a trial: both sides of every threshold."""

from __future__ import annotations

import dataclasses

import pytest

from harness import gates
from harness.gates import clocks, limits, memory
from results.records.records import GateFinding, Pressure
from results.steady import steadiness
from runtimes.resources import Limits, LimitsRead

PLANNED = Limits((2, 3), 2.0, 512 << 20)
READ = LimitsRead((2, 3), 2.0, 512 << 20, 2048)
CALM = Pressure(
    seconds=10.0,
    steal_ratio=0.0,
    load_1m=0.5,
    cpu_some_ratio=0.0,
    memory_some_ratio=0.0,
    io_some_ratio=0.0,
    swapped_bytes=0,
    memory_own_ratio=0.0,
    other_cpus=0.0,
    pace=((0, 1_000_000), (10_000_000_000, 1_000_000)),
    frequency_khz=(3_000_000, 3_000_000),
    throttle_events=0,
    box_throttled_ns=0,
    clock_source="tsc",
)
HOST: dict[str, object] = {
    "clock_source": "tsc",
    "ksm": False,
    "cpu": {"online": 4},
    "transparent_hugepages": "madvise",
    "mitigations": {"meltdown": "Mitigation: PTI", "mds": "Not affected"},
}
GOOD = gates.Evidence(
    planned=PLANNED,
    outside=READ,
    inside=READ,
    conditions=frozenset(),
    expected_program="ab",
    program="ab",
    expected_rootfs="sha256:cd",
    rootfs="sha256:cd",
    pressure=CALM,
    facts={"thp": "madvise", "mitigation.meltdown": "Mitigation: PTI"},
    host=HOST,
    harness_cpus=frozenset({0, 1}),
    durations=((1_000_000_000, 1_001_000_000),),
)


def around(**changes: object) -> tuple[GateFinding, ...]:
    return but(pressure=dataclasses.replace(CALM, **changes))  # type: ignore[arg-type]


def but(**changes: object) -> tuple[GateFinding, ...]:
    return gates.judge(dataclasses.replace(GOOD, **changes))  # type: ignore[arg-type]


def said(findings: tuple[GateFinding, ...]) -> list[tuple[str, str]]:
    return [(each.code, each.severity) for each in findings]


def test_a_calm_trial_has_no_findings() -> None:
    assert gates.judge(GOOD) == ()


def test_a_trial_around_which_nobody_looked_has_no_findings() -> None:
    assert but(pressure=None) == ()


@pytest.mark.parametrize(
    ("field", "per_unit", "caution", "invalid", "code"),
    [
        (
            "memory_some_ratio",
            1.0,
            memory.STALL_CAUTION,
            memory.STALL_INVALID,
            "memory-pressure",
        ),
    ],
)
def test_a_threshold_belongs_to_the_milder_side(
    field: str, per_unit: float, caution: float, invalid: float, code: str
) -> None:
    def at(ratio: float) -> list[tuple[str, str]]:
        return said(around(**{field: ratio * per_unit}))

    assert at(caution) == []
    assert at(caution * 1.01) == [(code, "caution")]
    assert at(invalid) == [(code, "caution")]
    assert at(invalid * 1.01) == [(code, "invalid")]


def test_the_load_average_is_no_evidence() -> None:
    """It holds a minute of the run's own past."""
    assert around(load_1m=99.0, cpu_some_ratio=1.0) == ()


def test_what_the_box_itself_waited_for_is_taken_off() -> None:
    assert around(memory_some_ratio=0.5, memory_own_ratio=0.5) == ()
    assert said(around(memory_some_ratio=0.5, memory_own_ratio=0.4)) == [
        ("memory-pressure", "invalid")
    ]


def test_stalls_that_may_be_the_boxs_own_are_a_caution_at_most() -> None:
    assert said(around(memory_some_ratio=0.9, memory_own_ratio=None)) == [
        ("memory-pressure", "caution")
    ]


def test_one_swapped_page_is_one_too_many() -> None:
    assert said(around(swapped_bytes=4096)) == [("swap", "invalid")]


def test_what_shows_only_beside_others_is_not_judged_by_the_trial_alone() -> None:
    slow = ((0, 9_000_000), (1, 1_000_000))
    assert around(steal_ratio=1.0, other_cpus=4.0, pace=slow, frequency_khz=(1, 9)) == ()


def test_a_throttled_or_hot_processor_makes_the_trial_invalid() -> None:
    assert said(around(throttle_events=1)) == [("throttled", "invalid")]
    assert around(throttle_events=None) == ()
    assert said(around(hot=("x86_pkg_temp 99 °C",))) == [("hot", "invalid")]


@pytest.mark.parametrize(("quota", "found"), [(2.0, True), (1.5, False)])
def test_a_quota_that_binds_is_a_caution_only_where_it_should_not(
    quota: float, found: bool
) -> None:
    read = LimitsRead((2, 3), quota, 512 << 20, 2048)
    pressure = dataclasses.replace(CALM, box_throttled_ns=1_000_000_000)
    changed = but(
        planned=Limits((2, 3), quota, 512 << 20), outside=read, inside=read, pressure=pressure
    )
    assert said(changed) == ([("box-throttled", "caution")] if found else [])


def test_the_rounding_of_a_quota_is_no_finding() -> None:
    allowed = round(limits.HELD_BACK_CAUTION * 10e9)
    assert around(box_throttled_ns=allowed) == ()
    assert said(around(box_throttled_ns=allowed + 1)) == [("box-throttled", "caution")]


def test_a_harness_on_the_boxs_cpus_is_a_caution() -> None:
    assert said(but(harness_cpus=frozenset({1, 2}))) == [("shared-cpus", "caution")]


def test_page_merging_is_found_by_the_pages_that_are_shared_too() -> None:
    assert said(around(ksm_pages_sharing=1)) == [("ksm", "caution")]
    (finding,) = around(ksm_pages_sharing=50, ksm_pages_more=7)
    assert "50 are shared, 7 more" in finding.reason
    assert said(but(host={**HOST, "ksm": True})) == [("ksm", "caution")]


def test_another_rule_for_huge_pages_inside_is_a_caution() -> None:
    assert said(but(facts={"thp": "always"})) == [("thp-differs", "caution")]
    assert but(facts={}) == ()
    assert but(host={**HOST, "transparent_hugepages": ""}) == ()


def test_a_guest_that_is_protected_differently_is_a_caution_with_the_list() -> None:
    (finding,) = but(facts={"mitigation.meltdown": "Vulnerable", "mitigation.mds": "Not affected"})
    assert (finding.code, finding.severity) == ("mitigations-differ", "caution")
    assert "meltdown (host: Mitigation: PTI; box: Vulnerable)" in finding.reason
    assert "mds" not in finding.reason


def test_a_vulnerability_that_only_one_kernel_knows_says_nothing() -> None:
    assert but(facts={"mitigation.newest": "Vulnerable"}) == ()
    assert but(facts={"mitigation.meltdown": "Vulnerable"}, host={"clock_source": "tsc"}) == ()


def test_a_clock_source_that_changed_makes_the_trial_invalid() -> None:
    assert said(around(clock_source="hpet")) == [("clock-changed", "invalid")]
    assert around(clock_source="") == ()


@pytest.mark.parametrize(
    ("iterations", "codes"),
    [
        ([100.0, 101.0, 99.0] * 5, []),
        ([50.0, 51.0, 50.0, *[100.0, 101.0, 99.0] * 4], []),  # it warmed up
        ([*[100.0, 101.0, 99.0] * 2, *[80.0, 81.0, 79.0] * 3], ["slowdown"]),
        ([*[100.0, 101.0, 99.0] * 4, 61.0, 60.0, 59.0], ["unsteady"]),
        ([100.0, 100.0, 100.0, 50.0, 50.0, 50.0], []),  # too few to say anything
    ],
)
def test_iterations_that_do_not_settle_are_said(iterations: list[float], codes: list[str]) -> None:
    findings = but(steadiness=steadiness(iterations, direction="higher"))
    assert [finding.code for finding in findings] == codes
    for finding in findings:
        assert (finding.severity == "invalid") == (finding.code == "unsteady")
        assert "100" in finding.reason


def test_a_slow_clock_source_is_a_caution() -> None:
    changed = dataclasses.replace(CALM, clock_source="acpi_pm")
    slow = but(host={**HOST, "clock_source": "acpi_pm"}, pressure=changed)
    assert said(slow) == [("clock-source", "caution")]


def test_a_box_cannot_have_worked_longer_than_the_host_waited() -> None:
    outside = 1_000_000_000
    longest = round(outside * (1 + clocks.FAST_TOLERANCE)) + clocks.FAST_SLACK_NS
    assert but(durations=((longest, outside),)) == ()
    assert said(but(durations=((longest + 1, outside),))) == [("guest-clock", "invalid")]


def test_a_box_that_saw_much_less_time_than_the_host_is_a_caution() -> None:
    outside = 10_000_000_000
    shortest = round(outside * (1 - clocks.SLOW_TOLERANCE)) - clocks.SLOW_SLACK_NS
    assert but(durations=((shortest, outside),)) == ()
    assert said(but(durations=((outside, outside), (shortest - 1, outside)))) == [
        ("guest-clock", "caution")
    ]


@pytest.mark.parametrize(
    ("changes", "transient"),
    [
        ({"swapped_bytes": 1}, True),
        ({"memory_some_ratio": 1.0}, True),
        ({"throttle_events": 3}, True),
        ({"hot": ("package 100 °C",)}, True),
        ({"clock_source": "hpet"}, False),
        ({"ksm_pages_sharing": 9}, False),
        ({"box_throttled_ns": 5_000_000_000}, False),
    ],
)
def test_only_what_may_go_away_by_itself_is_transient(
    changes: dict[str, object], transient: bool
) -> None:
    (finding,) = around(**changes)
    assert finding.transient is transient
    assert finding.reason
    assert finding.remedy


def test_findings_about_bits_limits_and_backends_are_never_transient() -> None:
    lasting = but(
        conditions=frozenset({"emulated"}), program="", outside=LimitsRead(None, None, None)
    )
    assert {each.code for each in lasting} == {"emulated", "program-digest", "limits"}
    assert not any(each.transient for each in lasting)
