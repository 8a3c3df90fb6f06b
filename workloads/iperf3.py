"""TCP throughput from the box to the peer, by iperf3's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

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
from workloads.reading import Reader

_IPERF3 = "/usr/bin/iperf3"
_PORT = "5201"
_MOST_BYTES_PER_S = 1e13


def timeout_s(size: Size) -> float:
    """Time limit of one iteration: iperf3's own patience with a dead peer is longer."""
    return 60.0 + 5.0 * size.seconds


def _work(size: Size) -> CommandWork:
    # The server serves one test after another; the trial engine ends it after the last.
    server = Service(
        argv=(_IPERF3, "-s", "-p", _PORT, "--forceflush"),
        side=Side.PEER,
        timeout_s=60.0,
        ready=b"Server listening",
    )
    argv = (_IPERF3, "-J", "-c", "{peer}", "-p", _PORT, "-t", str(size.seconds))
    return CommandWork(Command(argv, timeout_s(size)), size.iterations, (server,))


def parse(output: Output) -> tuple[Measurement, ...]:
    """Read ``iperf3 -J``: what the server received, and how often the box had to send again.

    iperf3 exits 0 also where its JSON says ``error``.  Where the sender's kernel does not count
    retransmits, that metric is left out.

    Raises:
        WorkloadFault: on an error, a test of another kind, or numbers that contradict each other.
    """
    reader = Reader.of("iperf3", output)
    report = _json(reader, output)
    if "error" in report:
        raise reader.fault(f"it says: {str(report['error'])[:200]}")
    test = _object(reader, report, "start", "test_start")
    if test.get("protocol") != "TCP" or test.get("reverse") != 0:
        raise reader.fault("this was not a TCP test from the box to the peer")
    rate = _received(reader, _object(reader, report, "end", "sum_received"))
    sent = _object(reader, report, "end", "sum_sent")
    if "retransmits" not in sent:
        return (("received_bytes_per_second", rate),)
    resent = _number(reader, sent, "retransmits", at_least=0, at_most=1e12)
    return (("received_bytes_per_second", rate), ("retransmits", resent))


def _received(reader: Reader, received: Mapping[str, Any]) -> float:
    """Bytes per second at the server; the rate that iperf3 states must agree."""
    count = _number(reader, received, "bytes", at_least=1, at_most=1e18)
    seconds = _number(reader, received, "seconds", at_least=1e-3, at_most=1e6)
    stated = _number(reader, received, "bits_per_second", at_least=1, at_most=1e14)
    rate = reader.bounded(count / seconds, "received rate", at_most=_MOST_BYTES_PER_S)
    if not 0.99 < stated / 8 / rate < 1.01:
        raise reader.fault(f"{count:g} bytes in {seconds:g} s are not {stated:g} bits per second")
    return rate


def _json(reader: Reader, output: Output) -> Mapping[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key occurs twice in one object")
        return found

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a number in JSON")

    try:
        report = json.loads(
            output.stdout.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse
        )
    except (ValueError, RecursionError) as error:
        raise reader.fault(f"not JSON: {error}") from None
    if not isinstance(report, dict):
        raise reader.fault("its JSON is not an object")
    return report


def _object(reader: Reader, report: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    at: Any = report
    for key in keys:
        at = at.get(key) if isinstance(at, dict) else None
    if not isinstance(at, dict):
        raise reader.fault(f"its JSON has no object {'.'.join(keys)}")
    return at


def _number(
    reader: Reader, holder: Mapping[str, Any], key: str, *, at_least: float, at_most: float
) -> float:
    value = holder.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise reader.fault(f"{key!r} is {str(value)[:40]!r}, not a number")
    if not at_least <= value <= at_most:  # before float(), for which an int may be too large
        raise reader.fault(f"{key!r} is not between {at_least:g} and {at_most:g}")
    return float(value)


IPERF3 = Workload(
    name="network.throughput",
    resource="network",
    title="TCP throughput, box to peer (iperf3)",
    metrics=(
        Metric("received_bytes_per_second", "B/s", "higher", primary=True),
        Metric("retransmits", "1", "lower"),
    ),
    work=_work,
    parse=parse,
    program=_IPERF3,
    packages=("iperf3",),
    needs_network=True,
)
