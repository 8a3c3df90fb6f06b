"""The commands that check the project itself."""

from __future__ import annotations

import pytest

from harness.directories import PROJECT
from harness.errors import UsageFault
from harness.project import checks


def test_a_soak_tells_its_test_how_many_lives() -> None:
    command = checks.soak(10_000)
    assert command[:2] == ["env", "TAREBENCH_SOAK=10000"]
    assert command[-1] == "tests/integration/test_ns_soak.py"


@pytest.mark.parametrize("cycles", [0, -1])
def test_a_soak_without_a_life_is_refused(cycles: int) -> None:
    with pytest.raises(UsageFault, match="cycles"):
        checks.soak(cycles)


def test_fuzzing_is_told_how_long_with_which_seed_and_what() -> None:
    assert checks.fuzz(9, 3, "importers")[-3:] == [
        "--seconds=9",
        "--seed=3",
        "--target=importers",
    ]


def test_fuzzing_for_no_time_is_refused() -> None:
    with pytest.raises(UsageFault, match="seconds"):
        checks.fuzz(0, None, None)


@pytest.mark.parametrize(
    ("patterns", "own"),
    [(checks.C, "runtimes/launcher/src/main.c"), (checks.PROSE, "docs/adr/README.md")],
)
def test_what_style_is_checked_of_can_be_written(patterns: tuple[str, ...], own: str) -> None:
    files = {str(p.relative_to(PROJECT)) for each in patterns for p in PROJECT.glob(each)}
    assert own in files
    for commands in (checks.lint(), checks.fmt()):
        assert any(files <= set(command) for command in commands)


def test_what_starts_no_box_runs_on_every_cpu_and_the_rest_alone() -> None:
    beside, alone = checks.tests("disk", fast=False, exhaustive=True)
    assert beside[beside.index("-n") + 1] == "auto"
    assert beside[-4:] == ["-m", "parallel", "-k", "disk"]
    assert "-n" not in alone
    assert alone[-4:] == ["-m", "not parallel", "-k", "disk"]


def test_what_is_asked_for_in_a_minute_starts_no_box_and_is_nothing_slow() -> None:
    (unit,) = checks.tests("disk", fast=True, exhaustive=True)
    assert unit[unit.index("tests/unit") :] == [
        "tests/unit",
        "-m",
        "not slow and not exhaustive",
        "-k",
        "disk",
    ]


def test_what_takes_minutes_in_a_guest_is_asked_for() -> None:
    beside, alone = checks.tests(None, fast=False, exhaustive=False)
    assert beside[-1] == "parallel and not exhaustive"
    assert alone[-1] == "not parallel and not exhaustive"


@pytest.mark.parametrize(
    ("statuses", "good"),
    [([0, 0], True), ([0, 5], True), ([5, 0], True), ([5, 5], False), ([0, 1], False)],
)
def test_a_name_that_one_command_lacks_is_no_failure_and_one_that_both_lack_is(
    statuses: list[int], *, good: bool
) -> None:
    assert checks.passed(statuses) == good
