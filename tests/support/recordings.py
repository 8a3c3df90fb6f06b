"""Recorded outputs, and how tests read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workloads import cpu, deep_storage, iperf3, linpack, memory, random_access, sockperf, wrk
from workloads.application import compression, postgresql, redis, sqlite
from workloads.base import Measurement, Output

DATA = Path(__file__).parents[1] / "data" / "workloads"

Parser = Callable[[Output], tuple[Measurement, ...]]


def on_standard_error(given: Output) -> tuple[Measurement, ...]:
    """xz's parser, which reads what tests of all parsers give as standard output."""
    return compression.parse(Output(given.stderr, given.stdout, given.wall_ns))


GOOD: dict[str, Parser] = {
    "sysbench-1.0.20.txt": cpu.parse_sysbench,
    "openssl-3.0.19.txt": cpu.parse_openssl,
    "openssl-3.5-shape.txt": cpu.parse_openssl,
    "memory-stream-1.txt": memory.parse_stream,
    "memory-latency-1.txt": memory.parse_latency,
    "linpack-1.txt": linpack.parse,
    "random-access-1.txt": random_access.parse,
    "iperf3-3.12.json": iperf3.parse,
    "iperf3-3.12-reverse.json": iperf3.parse_back,
    "iperf3-3.19-shape.json": iperf3.parse,
    "sockperf-3.7.txt": sockperf.parse,
    "sockperf-3.8-shape.txt": sockperf.parse,
    "sockperf-3.7-udp.txt": sockperf.parse,
    "fio-3.33-deep-mix.json": deep_storage.parse_mix,
    "wrk-4.1.0.txt": wrk.parse,
    "sysbench-1.0.20-emulated.txt": cpu.parse_sysbench,
    "sockperf-3.7-emulated.txt": sockperf.parse,
    "wrk-4.1.0-emulated.txt": wrk.parse,
    "redis-benchmark-7.0.15.csv": redis.parse,
    "pgbench-15.20.txt": postgresql.parse,
    "sqlite-1.txt": sqlite.parse,
    "xz-5.4.1.txt": on_standard_error,
}
"""Recording → the parser that must understand it."""


def recorded(name: str) -> bytes:
    return (DATA / name).read_bytes()


def output(stdout: bytes | str, stderr: bytes = b"") -> Output:
    return Output(stdout if isinstance(stdout, bytes) else stdout.encode(), stderr, 10**9)


def changed(name: str, old: str, new: str) -> Output:
    """The recording ``name`` with ``old`` replaced, which must be in it."""
    text = recorded(name).decode()
    assert old in text
    return output(text.replace(old, new))
