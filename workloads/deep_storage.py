"""Storage under many requests at once: what the box's way to the device carries at most.

As in Felter et al. (IBM RC25482, 2014): 4 KiB, O_DIRECT, asynchronous, eight jobs of sixteen
requests each, thirty-two for the mix of 70 % reads.  Nothing is flushed, there as here, so a
write counts when the device has taken it.  What one request costs alone is in storage.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from workloads import json_reading
from workloads.base import Command, CommandWork, Measurement, Metric, Output, Size, Workload
from workloads.reading import Reader
from workloads.storage import FILE, FILE_BYTES, FIO, METRICS, Access, only_job, parse, rates

BLOCK_BYTES = 4096
JOBS = 8
READS_PERCENT = 70
"""Of the mix."""

_MOST_NS = 1e12


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the device."""

    pattern: Literal["randread", "randwrite", "randrw"]
    depth: int
    """Requests that each job keeps under way."""


def argv(load: Load, seconds: int) -> tuple[str, ...]:
    """The fio command line of one iteration."""
    mix = (f"--rwmixread={READS_PERCENT}",) if load.pattern == "randrw" else ()
    return (
        *(FIO, "--name=volume", f"--filename={FILE}", f"--size={FILE_BYTES}"),
        *(f"--rw={load.pattern}", *mix, f"--bs={BLOCK_BYTES}", "--ioengine=libaio", "--direct=1"),
        *(f"--iodepth={load.depth}", f"--numjobs={JOBS}", "--group_reporting", "--randrepeat=1"),
        # Blocks never written would cost the first writer the file system's bookkeeping.
        *("--overwrite=1", "--time_based", f"--runtime={seconds}", "--output-format=json"),
    )


def parse_mix(output: Output) -> tuple[Measurement, ...]:
    """Both directions of a mix together, and each.

    Raises:
        WorkloadFault: on an error, another job, numbers that contradict each other, or another
            mix than was asked for.
    """
    reader = Reader.of("fio", output)
    job = only_job(reader, output)
    reads, writes = (json_reading.object_at(reader, job, side) for side in ("read", "write"))
    read_rate, read_speed = rates(reader, reads, BLOCK_BYTES)
    write_rate, write_speed = rates(reader, writes, BLOCK_BYTES)
    total = read_rate + write_rate
    if not 0.9 < read_rate / total / (READS_PERCENT / 100) < 1.1:
        raise reader.fault(f"{100 * read_rate / total:.0f} % were reads, not {READS_PERCENT} %")
    means = (
        json_reading.number_at(
            *(reader, json_reading.object_at(reader, figures, "clat_ns"), "mean"),
            at_least=1,
            at_most=_MOST_NS,
        )
        for figures in (reads, writes)
    )
    weighted = sum(mean * rate for mean, rate in zip(means, (read_rate, write_rate), strict=True))
    return (
        ("operations_per_second", total),
        ("reads_per_second", read_rate),
        ("writes_per_second", write_rate),
        ("bytes_per_second", read_speed + write_speed),
        ("latency_mean_ns", weighted / total),
    )


_MIX_METRICS = (
    Metric("operations_per_second", "1/s", "higher", primary=True),
    Metric("reads_per_second", "1/s", "higher"),
    Metric("writes_per_second", "1/s", "higher"),
    Metric("bytes_per_second", "B/s", "higher"),
    Metric("latency_mean_ns", "ns", "lower"),
)


def _workload(
    name: str, title: str, load: Load, parser: Callable[[Output], tuple[Measurement, ...]]
) -> Workload:
    def work(size: Size) -> CommandWork:
        command = Command(argv(load, size.seconds), timeout_s=180.0 + 10.0 * size.seconds)
        return CommandWork(command, size.iterations)

    return Workload(
        name=f"storage.{name}",
        resource="storage",
        title=title,
        metrics=_MIX_METRICS if load.pattern == "randrw" else METRICS,
        work=work,
        parse=parser,
        program=FIO,
        packages=("fio",),
        needs_volume=True,
    )


_READ = functools.partial(parse, Access("randread", BLOCK_BYTES, 0))
_WRITE = functools.partial(parse, Access("randwrite", BLOCK_BYTES, 0))
DEEP_READ = _workload("deep-read", "Random reads, 4 KiB, 128 at once", Load("randread", 16), _READ)
DEEP_WRITE = _workload(
    "deep-write", "Random writes, 4 KiB, 128 at once", Load("randwrite", 16), _WRITE
)
DEEP_MIX = _workload(
    "deep-mix", "Random mix, 70 % reads, 256 at once", Load("randrw", 32), parse_mix
)
