"""HTTP requests per second: nginx in the box, wrk at the peer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workloads import web
from workloads.base import (
    Command,
    CommandWork,
    Measurement,
    Metric,
    Output,
    Side,
    Size,
    Workload,
)
from workloads.reading import NUMBER, Reader, fewest_observations

_WRK = "/usr/bin/wrk"
_CONNECTIONS = 16
_MOST_PER_S = 1e9
_MOST_NS = 1e12
_MOST_BYTES_PER_S = 1e13
_NS: Mapping[str, float] = {"us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}
_BYTES: Mapping[str, int] = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_PERCENTILES: Mapping[str, int] = {"latency_p50_ns": 50, "latency_p90_ns": 90, "latency_p99_ns": 99}


def timeout_s(size: Size) -> float:
    """Time limit of one iteration."""
    return 60.0 + 5.0 * size.seconds


def _work(size: Size) -> CommandWork:
    argv = (
        *(_WRK, "-t", "1", "-c", str(_CONNECTIONS), "-d", f"{size.seconds}s", "--latency"),
        f"http://{{box}}:{{port}}{web.PATH}",
    )
    command = Command(argv, timeout_s(size), side=Side.PEER)
    return CommandWork(command, size.iterations, (web.SERVER,))


def parse(output: Output) -> tuple[Measurement, ...]:
    """Read ``wrk --latency`` 4: rates, and latency percentiles in nanoseconds.

    The loop is closed: each connection sends when it has been answered, so the latencies are
    those of a saturated server, after wrk's own correction for requests not sent in time.

    Raises:
        WorkloadFault: on anything else, on socket errors and on answers other than 2xx and 3xx.
    """
    reader = Reader.of("wrk", output)
    for trouble in ("Socket errors:", "Non-2xx or 3xx responses:"):
        if any(line.startswith(trouble) for line in reader.lines):
            raise reader.fault(f"{trouble} {reader.rest(trouble)}")
    rate = reader.number("Requests/sec:", at_most=_MOST_PER_S)
    found = reader.match("Transfer/sec:", rf"{NUMBER}([KMGT]?)B")
    transfer = reader.bounded(
        float(found[1]) * _BYTES[found[2]], "Transfer/sec", at_most=_MOST_BYTES_PER_S
    )
    requests = _requests(reader, rate)
    return (
        ("requests_per_second", rate),
        *_latencies(reader, requests),
        ("transfer_bytes_per_second", transfer),
    )


def _requests(reader: Reader, rate: float) -> int:
    """Number of requests answered; the rate that wrk states must agree."""
    summary = re.compile(rf"([0-9]{{1,15}}) requests in {NUMBER}(us|ms|s|m|h), .* read")
    found = [match for line in reader.lines if (match := summary.fullmatch(line))]
    if len(found) != 1:
        raise reader.fault(f"{len(found)} lines say '… requests in …', expected one")
    seconds = reader.bounded(
        float(found[0][2]) * _NS[found[0][3]] / 1e9, "duration", at_most=_MOST_NS / 1e9
    )
    requests = int(found[0][1])
    if not 0.9 < rate * seconds / max(requests, 1) < 1.1:
        raise reader.fault(f"{requests} requests in {seconds:g} s are not {rate:g} per second")
    return requests


def _latencies(reader: Reader, requests: int) -> list[Measurement]:
    """Percentiles for which ``requests`` are enough, checked to be in order."""
    if "Latency Distribution" not in reader.lines:
        raise reader.fault("it prints no 'Latency Distribution'")
    values = {}
    for metric, percentile in _PERCENTILES.items():
        found = reader.match(f"{percentile}%", rf"{NUMBER}(us|ms|s|m|h)")
        value = round(float(found[1]) * _NS[found[2]])  # two decimals of a microsecond: exact
        values[metric] = reader.bounded(float(value), f"{percentile}%", at_most=_MOST_NS)
    if list(values.values()) != sorted(values.values()):
        raise reader.fault("its percentiles are not in order")
    return [
        (metric, value)
        for metric, value in values.items()
        if requests >= fewest_observations(_PERCENTILES[metric])
    ]


HTTP = Workload(
    name="network.http",
    resource="network",
    title="HTTP requests, peer to box (nginx, wrk)",
    metrics=(
        Metric("requests_per_second", "1/s", "higher", primary=True),
        *(Metric(name, "ns", "lower") for name in _PERCENTILES),
        Metric("transfer_bytes_per_second", "B/s", "higher"),
    ),
    work=_work,
    parse=parse,
    program=web.NGINX,
    packages=(*web.PACKAGES, "wrk"),
    files=web.FILES,
    needs_network=True,
)
