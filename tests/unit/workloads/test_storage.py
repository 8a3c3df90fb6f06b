from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import output, recorded

from runtimes.conventions import ROOT_SCRATCH, VOLUME_PATH
from workloads import storage
from workloads.base import CommandWork, Size, Workload, WorkloadFault

WORKLOADS = {
    "randread": storage.RANDOM_READ,
    "randwrite": storage.RANDOM_WRITE,
    "read": storage.SEQUENTIAL_READ,
    "write": storage.SEQUENTIAL_WRITE,
}


def recording(pattern: str) -> bytes:
    return recorded(f"fio-3.33-{pattern}.json")


@pytest.mark.parametrize("pattern", WORKLOADS)
def test_what_fio_wrote_is_read(pattern: str) -> None:
    values = dict(WORKLOADS[pattern].parse(output(recording(pattern))))
    report = json.loads(recording(pattern))
    side = "write" if "write" in pattern else "read"
    assert values["operations_per_second"] == report["jobs"][0][side]["iops"]
    assert values["bytes_per_second"] == report["jobs"][0][side]["bw_bytes"]
    assert values["latency_p50_ns"] <= values["latency_mean_ns"] * 100
    assert set(values) <= {metric.name for metric in WORKLOADS[pattern].metrics}


@pytest.mark.parametrize("pattern", ["randwrite", "write"])
def test_a_flush_is_timed_apart_from_its_write(pattern: str) -> None:
    values = dict(WORKLOADS[pattern].parse(output(recording(pattern))))
    job = json.loads(recording(pattern))["jobs"][0]
    assert values["flush_mean_ns"] == job["sync"]["lat_ns"]["mean"]
    assert values["flush_p50_ns"] == job["sync"]["lat_ns"]["percentile"]["50.000000"]
    assert "flush_p99_ns" not in values, "too few flushes in the recording to bound it"
    each = 1 if pattern == "randwrite" else 16
    whole = values["latency_mean_ns"] + values["flush_mean_ns"] / each
    assert whole == pytest.approx(1e9 / values["operations_per_second"], rel=0.1)


@pytest.mark.parametrize("pattern", ["randwrite", "write"])
def test_writes_too_slow_to_be_flushed_once_have_no_time_of_a_flush(pattern: str) -> None:
    report = json.loads(recording(pattern))
    report["jobs"][0]["sync"] = {"total_ios": 0, "lat_ns": {"mean": 0.0, "N": 0}}
    values = dict(WORKLOADS[pattern].parse(output(json.dumps(report).encode())))
    assert not [name for name in values if name.startswith("flush")]


@pytest.mark.parametrize("pattern", WORKLOADS)
def test_every_access_is_direct_and_every_write_is_flushed(pattern: str) -> None:
    work = WORKLOADS[pattern].work(Size(2, 1))
    assert isinstance(work, CommandWork)
    assert "--direct=1" in work.command.argv
    flushed = any(word.startswith("--fdatasync=") for word in work.command.argv)
    assert flushed == ("write" in pattern)
    assert WORKLOADS[pattern].needs_volume


@pytest.mark.parametrize("pattern", ["randread", "read"])
def test_what_is_read_was_written_and_flushed_before_and_is_read_once(pattern: str) -> None:
    work = WORKLOADS[pattern].work(Size(2, 1))
    assert isinstance(work, CommandWork)
    (laying,) = work.services
    assert {"--rw=write", "--end_fsync=1"} <= set(laying.argv)
    assert not {"--time_based", "--loops"} & set(work.command.argv)
    same = [word for word in laying.argv if word.startswith(("--filename=", "--size="))]
    assert set(same) <= set(work.command.argv)


@pytest.mark.parametrize(
    ("on_volume", "on_root"),
    [
        (storage.RANDOM_READ, storage.ROOT_RANDOM_READ),
        (storage.RANDOM_WRITE, storage.ROOT_RANDOM_WRITE),
        (storage.SEQUENTIAL_READ, storage.ROOT_SEQUENTIAL_READ),
        (storage.SEQUENTIAL_WRITE, storage.ROOT_SEQUENTIAL_WRITE),
    ],
)
def test_the_boxs_root_is_asked_for_the_same_as_its_volume(
    on_volume: Workload, on_root: Workload
) -> None:
    volume, root = on_volume.work(Size(1, 1)), on_root.work(Size(1, 1))
    assert isinstance(volume, CommandWork)
    assert isinstance(root, CommandWork)
    moved = [word.replace(VOLUME_PATH, ROOT_SCRATCH) for word in volume.command.argv]
    assert moved == list(root.command.argv)
    assert (on_volume.needs_volume, on_volume.needs_root) == (True, False)
    assert (on_root.needs_volume, on_root.needs_root) == (False, True)


def changed(pattern: str, change: dict[str, Any], *where: str | int) -> bytes:
    report = json.loads(recording(pattern))
    at: Any = report
    for key in where:
        at = at[key]
    at.update(change)
    return json.dumps(report).encode()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"jobs": []}, ()),
        ({"jobs": 3}, ()),
        ({"error": 5}, ("jobs", 0)),
        ({"iops": -1.0}, ("jobs", 0, "read")),
        ({"iops": "fast"}, ("jobs", 0, "read")),
        ({"iops": 1.0}, ("jobs", 0, "read")),
        ({"total_ios": 0}, ("jobs", 0, "read")),
        ({"mean": 0}, ("jobs", 0, "read", "clat_ns")),
        ({"percentile": None}, ("jobs", 0, "read", "clat_ns")),
    ],
)
def test_a_report_that_does_not_hold_together_is_refused(
    change: dict[str, Any], where: tuple[str | int, ...]
) -> None:
    with pytest.raises(WorkloadFault):
        storage.RANDOM_READ.parse(output(changed("randread", change, *where)))


def test_a_percentile_needs_its_observations() -> None:
    few = changed("randread", {"total_ios": 100}, "jobs", 0, "read")
    values = dict(storage.RANDOM_READ.parse(output(few)))
    assert "latency_p50_ns" in values
    assert "latency_p99_ns" not in values


@given(st.data())
def test_mutated_reports_give_sane_numbers_or_a_fault(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(sorted(WORKLOADS)))
    workload: Workload = WORKLOADS[pattern]
    text = bytearray(recording(pattern))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    try:
        values = workload.parse(output(bytes(text)))
    except WorkloadFault:
        return
    assert all(math.isfinite(value) and value > 0 for _, value in values)
