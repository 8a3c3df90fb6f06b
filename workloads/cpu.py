"""CPU: a search for primes (sysbench) and a hash over memory in cache (openssl).

Both use one thread.  A box's price for computing shows in one thread; more threads would
measure the CPU quota and the scheduler as well, which is another question.
"""

from __future__ import annotations

from pathlib import Path

from workloads import own_program
from workloads.base import (
    Answer,
    Command,
    CommandSlices,
    CommandWork,
    Measurement,
    Metric,
    Output,
    ResidentSlices,
    Size,
    Workload,
    WorkloadFault,
)
from workloads.reading import NUMBER, Reader

BLOCK_BYTES = 16384
"""Hashed at a time: fits the first-level cache, so memory does not count."""

_SYSBENCH = "/usr/bin/sysbench"
_OPENSSL = "/usr/bin/openssl"
_MOST_EVENTS_PER_S = 1e9
_MOST_BYTES_PER_S = 1e13
_MOST_LATENCY_NS = 1e12


def timeout_s(size: Size) -> float:
    """Time limit of one iteration: start-up of an interpreter under emulation included."""
    return 60.0 + 5.0 * size.seconds


def _sysbench_work(size: Size) -> CommandWork:
    argv = (
        _SYSBENCH,
        "cpu",
        "--cpu-max-prime=10000",
        "--threads=1",
        f"--time={size.seconds}",
        "--percentile=0",
        "run",
    )
    return CommandWork(Command(argv, timeout_s(size)), size.iterations)


def parse_sysbench(output: Output) -> tuple[Measurement, ...]:
    """Read what sysbench 1.0 prints.

    The mean latency comes from the sum and the count: the ``avg`` that is printed has two
    decimals of a millisecond, which is several per cent of it.

    Raises:
        WorkloadFault: on anything else, or where rate, count and time contradict each other.
    """
    reader = Reader.of("sysbench", output)
    rate = reader.number("events per second:", at_most=_MOST_EVENTS_PER_S)
    events = reader.number("total number of events:", at_most=1e15)
    seconds = reader.number("total time:", at_most=1e6, suffix="s")
    busy_ms = reader.number("sum:", at_most=1e12)
    if not 0.5 < rate * seconds / events < 2:
        raise reader.fault(f"{events:g} events in {seconds:g} s are not {rate:g} per second")
    mean_ns = reader.bounded(busy_ms * 1e6 / events, "mean latency", at_most=_MOST_LATENCY_NS)
    return (("events_per_second", rate), ("latency_mean_ns", mean_ns))


def parse_sysbench_slice(output: Output) -> tuple[Measurement, ...]:
    """As ``parse_sysbench``, with the rate from the events' own time.

    The rate that is printed counts a millisecond in which threads start, which is 1 % of a slice.

    Raises:
        WorkloadFault: as ``parse_sysbench``.
    """
    mean_ns = dict(parse_sysbench(output))["latency_mean_ns"]
    return (("events_per_second", 1e9 / mean_ns), ("latency_mean_ns", mean_ns))


_SYSBENCH_SLICES = CommandSlices(
    # Bounded by events, not by time, of which it knows whole seconds only.
    (
        *(_SYSBENCH, "cpu", "--cpu-max-prime=10000", "--threads=1"),
        *("--time=0", "--events={count}", "--percentile=0", "run"),
    ),
    parse_sysbench_slice,
    rate="events_per_second",
    probe=20,
    timeout_s=60.0,
)

SYSBENCH_CPU = Workload(
    name="cpu.sysbench",
    resource="cpu",
    title="Prime search (sysbench)",
    metrics=(
        Metric("events_per_second", "1/s", "higher", primary=True),
        Metric("latency_mean_ns", "ns", "lower"),
    ),
    work=_sysbench_work,
    parse=parse_sysbench,
    program=_SYSBENCH,
    packages=("sysbench",),
    slices=_SYSBENCH_SLICES,
)


def _openssl_work(size: Size) -> CommandWork:
    # -elapsed: by default the rate is per second of the process's own CPU time, in which a
    # stolen or throttled CPU does not show.
    argv = (
        *(_OPENSSL, "speed", "-elapsed", "-mr", "-seconds", str(size.seconds)),
        *("-bytes", str(BLOCK_BYTES), "-evp", "sha256"),
    )
    return CommandWork(Command(argv, timeout_s(size)), size.iterations)


def parse_openssl(output: Output) -> tuple[Measurement, ...]:
    """Read ``openssl speed -mr``: a header ``+H:<block>`` and ``+F:<index>:<name>:<rate>``.

    The index and the spelling of the name differ between versions; the rest does not.

    Raises:
        WorkloadFault: on anything else.
    """
    reader = Reader.of("openssl", output)
    block = reader.number("+H:", at_most=1e9)
    if block != BLOCK_BYTES:
        raise reader.fault(f"it hashed blocks of {block:g} bytes, not of {BLOCK_BYTES}")
    found = reader.match("+F:", rf"[0-9]{{1,4}}:(?:sha256|SHA256|SHA2-256):{NUMBER}")
    rate = reader.bounded(float(found[1]), "rate", at_most=_MOST_BYTES_PER_S)
    return (("bytes_per_second", rate),)


_PYTHON = "/usr/bin/python3"
_HASHER = "/opt/tarebench/openssl_slices.py"
_HASHER_SOURCE = Path(__file__).with_name("programs") / "openssl_slices.py"


def parse_openssl_slice(line: bytes) -> Answer:
    """Bytes hashed per second in one slice.

    Raises:
        WorkloadFault: on anything but the program's exact answer.
    """
    found = own_program.answer("openssl_slices", line, ("ns", "blocks", "block_bytes"))
    if found["block_bytes"] != BLOCK_BYTES:
        raise WorkloadFault(f"openssl_slices hashed blocks of {found['block_bytes']} bytes")
    rate = found["blocks"] * BLOCK_BYTES * 1e9 / found["ns"]
    return Answer(found["ns"], (("bytes_per_second", rate),))


_OPENSSL_SLICES = ResidentSlices(
    # -I and -S: nothing of the environment, no site packages; set-up in milliseconds.
    (_PYTHON, "-I", "-S", _HASHER),
    parse_openssl_slice,
    set_up_s=60.0,
    timeout_s=20.0,
)

OPENSSL_SHA256 = Workload(
    name="cpu.openssl",
    resource="cpu",
    title="SHA-256 (openssl)",
    metrics=(Metric("bytes_per_second", "B/s", "higher", primary=True),),
    work=_openssl_work,
    parse=parse_openssl,
    program=_OPENSSL,
    packages=("openssl", "python3"),
    files={_HASHER: _HASHER_SOURCE.read_text(encoding="utf-8")},
    slices=_OPENSSL_SLICES,
)
