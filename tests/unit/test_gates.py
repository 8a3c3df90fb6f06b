import dataclasses

import pytest

from harness import gates
from results.records.records import Pressure
from runtimes.resources import Limits, LimitsRead

PLANNED = Limits((2, 3), 2.0, 512 << 20)
CALM = Pressure(
    seconds=2.0,
    steal_ratio=0.0,
    load_1m=0.5,
    cpu_some_ratio=0.0,
    memory_some_ratio=0.0,
    io_some_ratio=0.0,
    swapped_bytes=0,
)
GOOD = gates.Evidence(
    planned=PLANNED,
    outside=LimitsRead((2, 3), 2.0, 512 << 20, 2048),
    inside=LimitsRead((2, 3), 2.0, 512 << 20),
    conditions=frozenset(),
    expected_program="ab" * 32,
    program="ab" * 32,
    expected_rootfs="sha256:cd",
    rootfs="sha256:cd",
    pressure=CALM,
    facts={},
    host={"clock_source": "tsc", "ksm": False, "cpu": {"online": 8}},
)


def codes(evidence: gates.Evidence, severity: str = "invalid") -> set[str]:
    return {each.code for each in gates.judge(evidence) if each.severity == severity}


def test_a_clean_trial_has_no_findings() -> None:
    assert gates.judge(GOOD) == ()


def test_an_emulated_vm_is_never_valid() -> None:
    assert codes(dataclasses.replace(GOOD, conditions=frozenset({"emulated"}))) == {"emulated"}


UNLIMITED = dataclasses.replace(GOOD, conditions=frozenset({"unlimited"}))
NOTHING = LimitsRead(None, None, None)


def test_a_box_without_limits_on_purpose_is_a_caution() -> None:
    seen = dataclasses.replace(
        UNLIMITED, outside=NOTHING, inside=LimitsRead((0, 1, 2, 3), None, None)
    )
    assert codes(seen) == set()
    assert codes(seen, "caution") == {"unlimited"}


def test_limits_that_it_has_must_still_be_as_planned() -> None:
    wrong = dataclasses.replace(UNLIMITED, outside=LimitsRead((0, 1), None, None), inside=NOTHING)
    assert codes(wrong) == {"limits"}
    inside = LimitsRead((2, 3), None, 1 << 20)
    wrong = dataclasses.replace(
        UNLIMITED, outside=LimitsRead((2, 3), None, 512 << 20), inside=inside
    )
    assert codes(wrong) == {"limits"}


DISK = dataclasses.replace(GOOD, planned=dataclasses.replace(PLANNED, disk_bytes=1 << 30))


def with_disk(outside: int | None, inside: int | None, *conditions: str) -> gates.Evidence:
    return dataclasses.replace(
        DISK,
        outside=dataclasses.replace(DISK.outside, disk_bytes=outside),
        inside=dataclasses.replace(DISK.inside, disk_bytes=inside),
        conditions=frozenset(conditions),
    )


@pytest.mark.parametrize(
    ("outside", "inside"), [(1 << 30, 1 << 30), ((1 << 30) + (2 << 20), None), (0, 72 << 30)]
)
def test_a_limit_of_disk_as_planned_or_nothing_to_write_to_is_fine(
    outside: int, inside: int | None
) -> None:
    assert codes(with_disk(outside, inside)) == set()


@pytest.mark.parametrize(
    ("outside", "inside"), [(None, 1 << 30), (2 << 30, 1 << 30), (1 << 30, 72 << 30)]
)
def test_a_limit_of_disk_that_is_not_kept_is_invalid(
    outside: int | None, inside: int | None
) -> None:
    assert codes(with_disk(outside, inside)) == {"limits"}


def test_a_limit_of_disk_that_nothing_here_can_keep_is_a_caution() -> None:
    loose = with_disk(None, 72 << 30, "disk-unenforced")
    assert codes(loose) == set()
    assert codes(loose, "caution") == {"disk-unenforced"}


def test_an_unknown_condition_is_a_caution_and_not_lost() -> None:
    assert codes(dataclasses.replace(GOOD, conditions=frozenset({"odd"})), "caution") == {"odd"}


@pytest.mark.parametrize(
    "outside",
    [
        LimitsRead((3,), 2.0, 512 << 20, 2048),
        LimitsRead((2, 3), 1.0, 512 << 20, 2048),
        LimitsRead((2, 3), 2.0, 1 << 30, 2048),
        LimitsRead((2, 3), 2.0, None, 2048),
        LimitsRead((2, 3), None, 512 << 20),
        LimitsRead(None, 2.0, 512 << 20, 2048),
        LimitsRead((2, 3), 2.0, 512 << 20, 4096),
        LimitsRead((2, 3), 2.0, 512 << 20, None),
    ],
)
def test_a_limit_that_is_not_enforced_makes_the_trial_invalid(outside: LimitsRead) -> None:
    assert codes(dataclasses.replace(GOOD, outside=outside)) == {"limits"}


def test_what_a_box_cannot_see_of_its_limits_is_no_fault() -> None:
    blind = dataclasses.replace(GOOD, inside=LimitsRead(None, None, None))
    assert gates.judge(blind) == ()


def test_a_guest_numbers_its_own_cpus() -> None:
    guest = dataclasses.replace(GOOD, inside=LimitsRead((0, 1), None, 480 << 20))
    assert gates.judge(guest) == ()


def test_a_guest_with_one_cpu_too_few_is_found() -> None:
    guest = dataclasses.replace(GOOD, inside=LimitsRead((0,), None, 480 << 20))
    assert codes(guest) == {"limits"}


@pytest.mark.parametrize(
    ("change", "code"),
    [({"program": "ee" * 32}, "program-digest"), ({"rootfs": ""}, "rootfs-digest")],
)
def test_other_bits_make_the_trial_invalid(change: dict[str, str], code: str) -> None:
    assert codes(dataclasses.replace(GOOD, **change)) == {code}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"swapped_bytes": 4096}, "swap"),
        ({"memory_some_ratio": 0.2, "memory_own_ratio": 0.0}, "memory-pressure"),
    ],
)
def test_a_disturbed_host_makes_the_trial_invalid(change: dict[str, float], code: str) -> None:
    disturbed = dataclasses.replace(CALM, **change)
    assert codes(dataclasses.replace(GOOD, pressure=disturbed)) == {code}


def test_every_finding_says_why() -> None:
    bad = dataclasses.replace(
        GOOD,
        conditions=frozenset({"emulated", "nested"}),
        outside=LimitsRead(None, None, None),
        program="",
        pressure=dataclasses.replace(
            CALM, throttle_events=1, hot=("package 100 °C",), swapped_bytes=1
        ),
        host={"clock_source": "acpi_pm", "ksm": True},
    )
    findings = gates.judge(bad)
    assert len(findings) >= 7
    assert all(each.reason and each.code for each in findings)
    assert findings[0].severity == "invalid"
    assert findings[-1].severity == "caution"
