"""Redis: a store of small values in memory.  redis-server in the box, redis-benchmark at the peer.

Nothing is written to disk and nothing is evicted, so what a request costs is the network's path,
the system calls around it and a little work in memory.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from workloads import web
from workloads.application.repeats import repeated
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
from workloads.reading import NUMBER, Reader

_SERVER = "/usr/bin/redis-server"
_CLIENT = "/usr/bin/redis-benchmark"
_VALUE_BYTES = 64
_KEYS = 10_000
_MOST_PER_S = 1e9
_MOST_MS = 1e6
_NS_PER_MS = 1e6

_HEAD = (
    *("test", "rps", "avg_latency_ms", "min_latency_ms", "p50_latency_ms"),
    *("p95_latency_ms", "p99_latency_ms", "max_latency_ms"),
)
_TESTS: Mapping[str, str] = {"SET": "set", "GET": "get"}
_PERCENTILES: Mapping[str, int] = {"p50": 50, "p95": 95, "p99": 99}


@dataclass(frozen=True, slots=True)
class Load:
    """Who asks, and how often."""

    clients: int
    """Connections, each of which waits for its answer before it asks again."""
    requests_per_second_of_size: int
    """Of each kind, in one iteration: about 0.1 s of them, natively."""

    def requests(self, size: Size) -> int:
        """Requests of each kind in one iteration."""
        return self.requests_per_second_of_size * size.seconds


SOME = Load(clients=16, requests_per_second_of_size=10_000)
ONE = Load(clients=1, requests_per_second_of_size=2_000)
MANY = Load(clients=100, requests_per_second_of_size=10_000)

SERVER = Service(
    argv=(
        *(_SERVER, "--bind", "*", "--port", str(web.PORT), "--protected-mode", "no"),
        *("--save", "", "--appendonly", "no", "--dir", "/tmp", "--daemonize", "no"),  # noqa: S108 - the box's, and unused
        *("--databases", "1", "--io-threads", "1", "--tcp-backlog", "128"),
    ),
    side=Side.BOX,
    timeout_s=120.0,
    ready=b"Ready to accept connections",
)


def _work(load: Load, size: Size) -> CommandWork:
    argv = (
        *(_CLIENT, "-h", "{box}", "-p", "{port}", "-t", ",".join(_TESTS.values())),
        *("-n", str(load.requests(size)), "-c", str(load.clients), "-d", str(_VALUE_BYTES)),
        *("-r", str(_KEYS), "--csv"),
    )
    command = Command(argv, timeout_s=120.0 + 60.0 * size.seconds, side=Side.PEER)
    return repeated(command, size, (SERVER,))


def parse(output: Output, load: Load = SOME) -> tuple[Measurement, ...]:
    """Read ``redis-benchmark --csv`` 7: rate and latencies of SET, then of GET.

    Each line stands for more requests than any of its percentiles needs.  Latencies are printed
    to a microsecond.

    Raises:
        WorkloadFault: on anything else, a refused connection or an error reply among it.
    """
    reader = Reader.of("redis-benchmark", output)
    try:
        rows = list(csv.reader(line for line in reader.lines if line))
    except csv.Error as error:
        raise reader.fault(f"its table cannot be read: {error}") from None
    if not rows or tuple(rows[0]) != _HEAD:
        raise reader.fault("its first line is not the head of its table")
    if [row[0] for row in rows[1:] if row] != list(_TESTS):
        raise reader.fault(f"its lines are not {' and '.join(_TESTS)}")
    return tuple(value for row in rows[1:] for value in _measurements(reader, row, load))


def _measurements(reader: Reader, row: list[str], load: Load) -> list[Measurement]:
    if len(row) != len(_HEAD):
        raise reader.fault(f"a line has {len(row)} columns, not {len(_HEAD)}")
    if not all(re.fullmatch(NUMBER, cell) for cell in row[1:]):
        raise reader.fault(f"a line of {row[0][:20]!r} holds what is not a plain number")
    cells = dict(zip(_HEAD[1:], map(float, row[1:]), strict=True))
    prefix = _TESTS[row[0]]
    rate = reader.bounded(cells["rps"], f"{row[0]} rps", at_most=_MOST_PER_S)
    mean = reader.bounded(cells["avg_latency_ms"], f"{row[0]} mean", at_most=_MOST_MS)
    latencies = [
        reader.bounded(cells[f"{name}_latency_ms"], f"{row[0]} {name}", at_most=_MOST_MS)
        for name in _PERCENTILES
    ]
    if latencies != sorted(latencies) or mean > cells["max_latency_ms"]:
        raise reader.fault(f"the latencies of {row[0]} are not in order")
    # A closed loop: each connection waits for its answer, so clients ÷ latency bounds the rate.
    if rate * mean / 1e3 > 1.5 * load.clients:
        raise reader.fault(f"{rate:g} requests per second of {mean:g} ms need more connections")
    named = zip(_PERCENTILES, latencies, strict=True)
    return [
        (f"{prefix}_requests_per_second", rate),
        (f"{prefix}_latency_mean_ns", round(mean * _NS_PER_MS) * 1.0),
        *((f"{prefix}_latency_{name}_ns", round(ms * _NS_PER_MS) * 1.0) for name, ms in named),
    ]


def _metrics(prefix: str, *, primary: bool) -> tuple[Metric, ...]:
    return (
        Metric(f"{prefix}_requests_per_second", "1/s", "higher", primary=primary),
        Metric(f"{prefix}_latency_mean_ns", "ns", "lower"),
        *(Metric(f"{prefix}_latency_{name}_ns", "ns", "lower") for name in _PERCENTILES),
    )


def _workload(name: str, title: str, load: Load) -> Workload:
    return Workload(
        name=f"application.{name}",
        resource="application",
        title=title,
        metrics=(*_metrics("get", primary=True), *_metrics("set", primary=False)),
        work=functools.partial(_work, load),
        parse=functools.partial(parse, load=load),
        program=_SERVER,
        packages=("redis-server", "redis-tools"),
        needs_network=True,
    )


REDIS = _workload("redis", "Small values in memory (Redis)", SOME)
REDIS_ONE = _workload("redis-one", "Small values, one client (Redis)", ONE)
REDIS_MANY = _workload("redis-many", "Small values, 100 clients (Redis)", MANY)
