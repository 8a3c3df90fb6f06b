from __future__ import annotations

import pytest
from support.recordings import output

from workloads.base import WorkloadFault
from workloads.reading import LONGEST_BYTES, Reader, fewest_observations


@pytest.mark.parametrize(
    ("percentile", "observations"), [(50, 5), (90, 29), (95, 59), (99, 299), (99.9, 2995)]
)
def test_a_percentile_has_its_smallest_sample(percentile: float, observations: int) -> None:
    assert fewest_observations(percentile) == observations


@pytest.mark.parametrize(
    ("stdout", "why"),
    [
        (b"", "nothing"),
        (b" \n\t\n", "nothing"),
        (b"rate: 1\xff\n", "UTF-8"),
        (b"x" * (LONGEST_BYTES + 1), "bytes"),
    ],
)
def test_what_is_no_text_is_refused(stdout: bytes, why: str) -> None:
    with pytest.raises(WorkloadFault, match=why):
        Reader.of("tool", output(stdout))


def test_a_number_is_read_behind_its_label() -> None:
    assert (
        Reader.of("tool", output("  rate:   12.5s \n")).number("rate:", at_most=99, suffix="s")
        == 12.5
    )


@pytest.mark.parametrize(
    "value",
    [
        "nan",
        "inf",
        "-1",
        "+1",
        "0",
        "0.0",
        "1e3",
        "1,5",
        "1.",
        ".5",
        "",
        "1 2",
        "101",
        "9" * 400,
        "٣",
    ],
)
def test_what_is_no_plain_number_in_bounds_is_refused(value: str) -> None:
    with pytest.raises(WorkloadFault):
        Reader.of("tool", output(f"rate: {value}\n")).number("rate:", at_most=100)


@pytest.mark.parametrize("text", ["other: 1\n", "rate: 1\nrate: 1\n", "rate: 1\nrate: nan\n"])
def test_a_label_must_stand_on_one_line(text: str) -> None:
    with pytest.raises(WorkloadFault, match="expected one"):
        Reader.of("tool", output(text)).number("rate:", at_most=100)


def test_a_fault_shows_the_end_of_both_streams() -> None:
    fault = Reader.of("tool", output("last words\n", b"and \xff errors\n")).fault("no")
    assert "last words" in fault.tail
    assert "errors" in fault.tail
    assert "tool" in fault.hint


def test_colours_are_dropped() -> None:
    assert Reader.of("tool", output("\x1b[2;35mrate: 3\x1b[0m\n")).number("rate:", at_most=9) == 3
