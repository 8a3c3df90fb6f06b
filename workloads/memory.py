"""Memory: streaming bandwidth and random-access latency, by a small program of our own.

The program takes its sizes as arguments, ends by the clock and checks its own results; see
programs/memory.c for how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from workloads import own_program
from workloads.base import (
    Answer,
    Command,
    CommandWork,
    Measurement,
    Metric,
    Output,
    Program,
    ResidentSlices,
    Size,
    Workload,
    WorkloadFault,
)
from workloads.reading import Reader

ARRAY_BYTES = 64 << 20
"""Each of STREAM's three arrays.

An element is used again only after two arrays have passed, so the cache that must not hold them
is 4 × smaller than 128 MiB: the rule of STREAM holds for last-level caches up to 32 MiB, and
nothing is reused below 128 MiB.  Three arrays fit the default limit of 512 MiB, a guest's
kernel included, and one round ends within a second under emulation.
"""

CHASE_BYTES = 256 << 20
"""What the pointer chase runs through: at most an eighth of it can be in a cache of 32 MiB."""

KERNELS = ("copy", "scale", "add", "triad")

_PATH = "/opt/tarebench/memory"
_PROGRAM = Program(
    _PATH,
    Path(__file__).with_name("programs") / "memory.c",
    # The loops must stay loops: a call of memcpy would pick its variant by CPUID, which differs
    # between a host and its guests.  No fused multiply-add: the self-check is to the last bit.
    flags=("-O3", "-fno-tree-loop-distribute-patterns", "-ffp-contract=off"),
)
_MOST_NS = 1e9


def timeout_s(size: Size) -> float:
    """Time limit of one iteration: setting up a quarter of a GiB under emulation included."""
    return 120.0 + 10.0 * size.seconds


def _work(mode: str, size_bytes: int, size: Size) -> CommandWork:
    argv = (_PATH, mode, str(size_bytes), str(size.seconds))
    return CommandWork(Command(argv, timeout_s(size)), size.iterations)


def _stream_work(size: Size) -> CommandWork:
    return _work("stream", ARRAY_BYTES, size)


def _latency_work(size: Size) -> CommandWork:
    return _work("latency", CHASE_BYTES, size)


def parse_stream(output: Output) -> tuple[Measurement, ...]:
    """Best rate of each kernel, in bytes per second, counted as STREAM counts.

    Raises:
        WorkloadFault: on anything but the program's exact output.
    """
    units = {"array_bytes": "B", "rounds": "1"} | dict.fromkeys(KERNELS, "B/s")
    values = own_program.values("memory", output, units)
    return tuple((f"{kernel}_bytes_per_second", values[kernel]) for kernel in KERNELS)


def parse_latency(output: Output) -> tuple[Measurement, ...]:
    """Mean time per dependent load, and that of the fastest batch, in nanoseconds.

    Raises:
        WorkloadFault: on anything but the program's exact output.
    """
    values = own_program.values(
        "memory", output, {"bytes": "B", "loads": "1", "mean": "ns", "best": "ns"}
    )
    reader = Reader.of("memory", output)
    mean, best = (reader.bounded(values[key], key, at_most=_MOST_NS) for key in ("mean", "best"))
    if best > mean:
        raise reader.fault(f"its fastest batch, {best:g} ns, is slower than the mean, {mean:g}")
    return (("load_mean_ns", mean), ("load_best_ns", best))


_PASSES = {"copy": 2, "scale": 2, "add": 3, "triad": 3}
"""Arrays that each kernel reads and writes, as STREAM counts."""


def parse_stream_slice(line: bytes) -> Answer:
    """Mean rate of each kernel in one slice; of a whole trial it is the best round's.

    Raises:
        WorkloadFault: on anything but the program's exact answer.
    """
    keys = ("ns", "bytes", "rounds", *(f"{kernel}_ns" for kernel in KERNELS))
    found = own_program.answer("memory", line, keys)
    _check_spans(found, sum(found[f"{kernel}_ns"] for kernel in KERNELS))
    moved = found["bytes"] * found["rounds"] * 1e9
    return Answer(
        found["ns"],
        tuple(
            (f"{kernel}_bytes_per_second", _PASSES[kernel] * moved / found[f"{kernel}_ns"])
            for kernel in KERNELS
        ),
    )


def parse_latency_slice(line: bytes) -> Answer:
    """Mean time per dependent load in one slice, and that of the fastest batch.

    Raises:
        WorkloadFault: on anything but the program's exact answer.
    """
    found = own_program.answer("memory", line, ("ns", "loads", "best_ns", "batch"))
    _check_spans(found, found["best_ns"])
    mean, best = found["ns"] / found["loads"], found["best_ns"] / found["batch"]
    return Answer(found["ns"], (("load_mean_ns", mean), ("load_best_ns", best)))


def _check_spans(found: Mapping[str, int], parts_ns: int) -> None:
    if parts_ns > found["ns"]:
        raise WorkloadFault(f"memory: parts of {parts_ns} ns in a slice of {found['ns']} ns")


def _slices(
    mode: str, size_bytes: int, parse: Callable[[bytes], Answer], lead_ms: int
) -> ResidentSlices:
    argv = (_PATH, "slices", mode, str(size_bytes))
    return ResidentSlices(argv, parse, set_up_s=120.0, timeout_s=20.0, lead_ms=lead_ms)


STREAM = Workload(
    name="memory.stream",
    resource="memory",
    title="Memory bandwidth (STREAM kernels)",
    metrics=tuple(
        Metric(f"{kernel}_bytes_per_second", "B/s", "higher", primary=kernel == "triad")
        for kernel in KERNELS
    ),
    work=_stream_work,
    parse=parse_stream,
    program=_PATH,
    programs=(_PROGRAM,),
    slices=_slices("stream", ARRAY_BYTES, parse_stream_slice, lead_ms=2),
)

RANDOM_LATENCY = Workload(
    name="memory.latency",
    resource="memory",
    title="Random memory access (pointer chase)",
    metrics=(
        Metric("load_mean_ns", "ns", "lower", primary=True),
        Metric("load_best_ns", "ns", "lower"),
    ),
    work=_latency_work,
    parse=parse_latency,
    program=_PATH,
    programs=(_PROGRAM,),
    # The entries of the page table are to be in the cache again: half a MiB of them.
    slices=_slices("latency", CHASE_BYTES, parse_latency_slice, lead_ms=5),
)
