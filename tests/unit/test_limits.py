import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageFault
from harness.plan.limits import allot, parse_cpuset, parse_disk, parse_memory
from runtimes.linux.cpu_list import format_cpus

EIGHT = frozenset(range(8))


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 512 << 20), ("1g", 1 << 30), ("2GiB", 2 << 30), ("536870912", 512 << 20)],
)
def test_memory_is_written_as_people_write_it(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-1G", "1.5G", "12M", "NaN", "9" * 400])
def test_a_memory_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageFault):
        parse_memory(text)


@pytest.mark.parametrize(("text", "size"), [("64M", 64 << 20), ("10g", 10 << 30), (None, 7)])
def test_a_limit_of_disk_is_a_size_or_the_usual_one(text: str | None, size: int) -> None:
    assert parse_disk(text, 7) == size


@pytest.mark.parametrize("text", ["", "0", "15M", "5T", "1.5G", "-1G", "lots", "٣G"])
def test_a_limit_of_disk_that_no_file_system_can_have_is_refused(text: str) -> None:
    with pytest.raises(UsageFault, match="--disk"):
        parse_disk(text, 0)


@given(st.sets(st.integers(0, 4095), min_size=1, max_size=64))
def test_cpu_lists_survive_a_round_trip(cpus: set[int]) -> None:
    assert parse_cpuset(format_cpus(cpus)) == tuple(sorted(cpus))


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "1,,2", "-1"])
def test_a_cpu_list_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageFault):
        parse_cpuset(text)


def test_the_box_gets_the_highest_cpus_and_the_harness_the_rest() -> None:
    split = allot(None, None, None, allowed=EIGHT)
    assert split.box.cpus == (4, 5, 6, 7)
    assert split.harness_cpus == (0, 1, 2, 3)
    assert split.box.cpu_quota == 4.0
    assert not split.shared


def test_a_fraction_of_a_cpu_is_a_quota_on_a_whole_one() -> None:
    split = allot("1.5", None, "1G", allowed=EIGHT)
    assert split.box.cpus == (6, 7)
    assert split.box.cpu_quota == 1.5
    assert split.box.memory_bytes == 1 << 30


def test_one_cpu_is_shared_and_said_to_be() -> None:
    split = allot(None, None, None, allowed=frozenset({3}))
    assert split.box.cpus == split.harness_cpus == (3,)
    assert split.shared


@pytest.mark.parametrize(
    ("cpus", "cpuset"),
    [("9", None), ("0", None), ("x", None), ("nan", None), (None, "8"), ("2", "1")],
)
def test_more_than_the_host_has_is_refused(cpus: str | None, cpuset: str | None) -> None:
    with pytest.raises(UsageFault):
        allot(cpus, cpuset, None, allowed=EIGHT)
