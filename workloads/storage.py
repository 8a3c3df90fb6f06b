"""Storage: the box's volume and its own root, both on the host's disk, by fio's JSON.

Every access is O_DIRECT, so the box's page cache is out of it; a write counts once it is flushed
to the device (fdatasync), which the box must not swallow.  Queue depth 1: what one request costs.

What is read was written before, flushed, and is read once, so that caches between box and disk
hold what the arm lets them hold: all of it in a warm arm, nothing in a cold one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workloads import json_reading
from workloads.base import (
    Command,
    CommandWork,
    Measurement,
    Metric,
    Output,
    Service,
    Side,
    Size,
    Workload,
)
from workloads.reading import Reader, fewest_observations

FIO = "/usr/bin/fio"
FILE_BYTES = 64 << 20
_MIB = 1 << 20
_LAY_S = 300.0
"""An emulated guest on a busy host writes a few MiB per second."""
_MOST_IOPS = 1e9
_MOST_BYTES_PER_S = 1e13
_MOST_NS = 1e12
_PERCENTILES = (50.0, 99.0)

METRICS = (
    Metric("operations_per_second", "1/s", "higher", primary=True),
    Metric("bytes_per_second", "B/s", "higher"),
    Metric("latency_mean_ns", "ns", "lower"),
    Metric("latency_p50_ns", "ns", "lower"),
    Metric("latency_p99_ns", "ns", "lower"),
)
FLUSHES = (
    Metric("flush_mean_ns", "ns", "lower"),
    Metric("flush_p50_ns", "ns", "lower"),
    Metric("flush_p99_ns", "ns", "lower"),
)
"""Of writes that are flushed: fio times the flush apart from the write before it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory in the box."""

    name: str
    """Of its workloads: ``storage.<name>random-read``."""
    directory: str
    title: str

    @property
    def is_volume(self) -> bool:
        """Else it is on the box's own root."""
        return self is VOLUME


FILE = "/volume/fio"
VOLUME = Place("", "/volume", "volume")
ROOT = Place("root-", "/var/tmp", "own root")  # noqa: S108  # in the box, whose own it is


@dataclass(frozen=True, slots=True)
class Access:
    """One way to use a file."""

    pattern: Literal["randread", "randwrite", "read", "write"]
    block_bytes: int
    flush_each: int
    """fdatasync after so many writes; 0 for reads."""
    file_bytes: int = FILE_BYTES

    @property
    def side(self) -> Literal["read", "write"]:
        """fio's name of the direction whose figures count."""
        return "write" if "write" in self.pattern else "read"


def _job(access: Access, place: Place) -> tuple[str, ...]:
    return (
        *(FIO, f"--name={access.side}", f"--filename={place.directory}/fio"),
        *(f"--size={access.file_bytes}", "--ioengine=psync", "--direct=1", "--iodepth=1"),
    )


def argv(access: Access, place: Place, seconds: int) -> tuple[str, ...]:
    """The fio command line of one iteration.

    Writes go on for the time given; reads end when each block was read once, or with it.
    """
    flush = ("--time_based", f"--fdatasync={access.flush_each}") if access.flush_each else ()
    return (
        *(*_job(access, place), f"--rw={access.pattern}", f"--bs={access.block_bytes}"),
        *("--randrepeat=1", *flush, f"--runtime={seconds}", "--output-format=json"),
    )


def laying(access: Access, place: Place) -> Service:
    """Writes what will be read, and flushes it."""
    words = ("--rw=write", f"--bs={_MIB}", "--end_fsync=1", "--output=/dev/null")
    return Service((*_job(access, place), *words), Side.BOX, _LAY_S)


def parse(access: Access, output: Output) -> tuple[Measurement, ...]:
    """Read fio's JSON: one job, no error, the figures of its one direction.

    Percentiles that have too few observations are left out.

    Raises:
        WorkloadFault: on an error, another job, or numbers that contradict each other.
    """
    reader = Reader.of("fio", output)
    figures = json_reading.object_at(reader, only_job(reader, output), access.side)
    count = json_reading.number_at(reader, figures, "total_ios", at_least=1, at_most=1e15)
    rate, speed = rates(reader, figures, access.block_bytes)
    found = [("operations_per_second", rate), ("bytes_per_second", speed)]
    found += _latencies(reader, figures, ("clat_ns", "latency"), count)
    if access.flush_each:
        flushes = json_reading.object_at(reader, only_job(reader, output), "sync")
        times = json_reading.object_at(reader, flushes, "lat_ns")
        done = json_reading.number_at(reader, times, "N", at_least=0, at_most=1e15)
        found += _latencies(reader, flushes, ("lat_ns", "flush"), done) if done else []
    return tuple(found)


def _latencies(
    reader: Reader, figures: Mapping[str, Any], named: tuple[str, str], count: float
) -> list[Measurement]:
    """Mean and percentiles of ``count`` times that fio calls ``named[0]``, and we ``named[1]``."""
    theirs, ours = named
    times = json_reading.object_at(reader, figures, theirs)
    mean = json_reading.number_at(reader, times, "mean", at_least=1, at_most=_MOST_NS)
    found = [(f"{ours}_mean_ns", mean)]
    percentiles = json_reading.object_at(reader, times, "percentile")
    for percentile in _PERCENTILES:
        if count >= fewest_observations(percentile):
            key = f"{percentile:.6f}"
            value = json_reading.number_at(reader, percentiles, key, at_least=1, at_most=_MOST_NS)
            found.append((f"{ours}_p{percentile:g}_ns", value))
    return found


def only_job(reader: Reader, output: Output) -> Mapping[str, Any]:
    """The one job of fio's JSON, which ended without an error.

    Raises:
        WorkloadFault: it is not JSON, has another number of jobs, or says that there was an error.
    """
    report = json_reading.document(reader, output)
    jobs = report.get("jobs")
    if not isinstance(jobs, list) or len(jobs) != 1 or not isinstance(jobs[0], dict):
        raise reader.fault("its JSON has not exactly one job")
    if json_reading.number_at(reader, jobs[0], "error", at_least=0, at_most=1e6) != 0:
        raise reader.fault(f"it says: error {jobs[0]['error']}")
    return jobs[0]


def rates(reader: Reader, figures: Mapping[str, Any], block_bytes: int) -> tuple[float, float]:
    """Operations and bytes per second of one direction.

    Raises:
        WorkloadFault: one is missing or no sane number, or they contradict each other.
    """
    rate = json_reading.number_at(reader, figures, "iops", at_least=1e-3, at_most=_MOST_IOPS)
    speed = json_reading.number_at(
        reader, figures, "bw_bytes", at_least=1, at_most=_MOST_BYTES_PER_S
    )
    if not 0.9 < speed / block_bytes / rate < 1.1:
        raise reader.fault(f"{rate:g} operations of {block_bytes} bytes are not {speed:g} B/s")
    return rate, speed


def _workload(name: str, title: str, access: Access, place: Place) -> Workload:
    def work(size: Size) -> CommandWork:
        words = argv(access, place, size.seconds)
        command = Command(words, timeout_s=120.0 + 10.0 * size.seconds)
        services = (laying(access, place),) if access.side == "read" else ()
        return CommandWork(command, size.iterations, services)

    return Workload(
        name=f"storage.{place.name}{name}",
        resource="storage",
        title=f"{title}, {place.title}",
        metrics=METRICS + (FLUSHES if access.flush_each else ()),
        work=work,
        parse=lambda output: parse(access, output),
        program=FIO,
        packages=("fio",),
        needs_volume=place.is_volume,
        needs_root=not place.is_volume,
    )


_ACCESSES: Mapping[str, tuple[str, Access]] = {
    "random-read": ("Random reads, 4 KiB, direct", Access("randread", 4096, 0, 128 * _MIB)),
    "random-write": (
        "Random writes, 4 KiB, direct, each flushed",
        Access("randwrite", 4096, 1),
    ),
    "sequential-read": ("Sequential reads, 1 MiB, direct", Access("read", _MIB, 0, 320 * _MIB)),
    "sequential-write": (
        "Sequential writes, 1 MiB, direct, flushed",
        Access("write", _MIB, 16),
    ),
}

RANDOM_READ, RANDOM_WRITE, SEQUENTIAL_READ, SEQUENTIAL_WRITE = (
    _workload(name, title, access, VOLUME) for name, (title, access) in _ACCESSES.items()
)
ROOT_RANDOM_READ, ROOT_RANDOM_WRITE, ROOT_SEQUENTIAL_READ, ROOT_SEQUENTIAL_WRITE = (
    _workload(name, title, access, ROOT) for name, (title, access) in _ACCESSES.items()
)
