"""TCP throughput between box and peer, one direction at a time, by iperf3's JSON.

The box always connects, also where the peer sends: no port has to be published for it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from workloads import json_reading, tcp
from workloads.base import (
    Command,
    CommandWork,
    Measurement,
    Metric,
    Output,
    Program,
    ResidentSlices,
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


def _work(size: Size, *, back: bool) -> CommandWork:
    # The server serves one test after another; the trial engine ends it after the last.
    server = Service(
        argv=(_IPERF3, "-s", "-p", _PORT, "--forceflush"),
        side=Side.PEER,
        timeout_s=60.0,
        ready=b"Server listening",
    )
    direction = ("-R",) if back else ()
    argv = (_IPERF3, "-J", "-c", "{peer}", "-p", _PORT, "-t", str(size.seconds), *direction)
    return CommandWork(Command(argv, timeout_s(size)), size.iterations, (server,))


def parse(output: Output) -> tuple[Measurement, ...]:
    """Read ``iperf3 -J``: what the peer received, and how often the box had to send again.

    iperf3 exits 0 also where its JSON says ``error``.  Where the sender's kernel does not count
    retransmits, that metric is left out.

    Raises:
        WorkloadFault: on an error, a test of another kind, or numbers that contradict each other.
    """
    return _parse(output, back=False)


def parse_back(output: Output) -> tuple[Measurement, ...]:
    """The same of ``iperf3 -J -R``, where the peer sends and the box receives.

    Raises:
        WorkloadFault: as ``parse``.
    """
    return _parse(output, back=True)


def _parse(output: Output, *, back: bool) -> tuple[Measurement, ...]:
    reader = Reader.of("iperf3", output)
    report = json_reading.document(reader, output)
    if "error" in report:
        raise reader.fault(f"it says: {str(report['error'])[:200]}")
    test = json_reading.object_at(reader, report, "start", "test_start")
    if test.get("protocol") != "TCP" or test.get("reverse") != int(back):
        direction = "from the peer to the box" if back else "from the box to the peer"
        raise reader.fault(f"this was not a TCP test {direction}")
    rate = _received(reader, json_reading.object_at(reader, report, "end", "sum_received"))
    sent = json_reading.object_at(reader, report, "end", "sum_sent")
    if "retransmits" not in sent:
        return (("received_bytes_per_second", rate),)
    resent = json_reading.number_at(reader, sent, "retransmits", at_least=0, at_most=1e12)
    return (("received_bytes_per_second", rate), ("retransmits", resent))


def _received(reader: Reader, received: Mapping[str, Any]) -> float:
    """Bytes per second at the receiver; the rate that iperf3 states must agree."""
    count = json_reading.number_at(reader, received, "bytes", at_least=1, at_most=1e18)
    seconds = json_reading.number_at(reader, received, "seconds", at_least=1e-3, at_most=1e6)
    stated = json_reading.number_at(reader, received, "bits_per_second", at_least=1, at_most=1e14)
    rate = reader.bounded(count / seconds, "received rate", at_most=_MOST_BYTES_PER_S)
    if not 0.99 < stated / 8 / rate < 1.01:
        raise reader.fault(f"{count:g} bytes in {seconds:g} s are not {stated:g} bits per second")
    return rate


def _workload(
    name: str,
    title: str,
    *,
    back: bool,
    slices: ResidentSlices | None = None,
    programs: tuple[Program, ...] = (),
) -> Workload:
    return Workload(
        name=name,
        resource="network",
        title=title,
        metrics=(
            Metric("received_bytes_per_second", "B/s", "higher", primary=True),
            Metric("retransmits", "1", "lower"),
        ),
        work=functools.partial(_work, back=back),
        parse=parse_back if back else parse,
        program=_IPERF3,
        packages=("iperf3",),
        programs=programs,
        needs_network=True,
        slices=slices,
    )


IPERF3 = _workload(
    "network.throughput",
    "TCP throughput, box to peer",
    back=False,
    slices=tcp.STREAM,
    programs=(tcp.PROGRAM,),
)
IPERF3_BACK = _workload(
    "network.throughput-back", "TCP throughput, peer to box (iperf3)", back=True
)
