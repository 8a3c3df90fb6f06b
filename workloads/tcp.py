"""TCP in slices, by a small program of our own; see programs/tcp.c for how.

sockperf and iperf3 know whole seconds only, and sockperf waits for two more at its start and end.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workloads import own_program
from workloads.base import Answer, Program, ResidentSlices, Service, Side, WorkloadFault
from workloads.reading import fewest_observations

PROGRAM = Program("/opt/tarebench/tcp", Path(__file__).with_name("programs") / "tcp.c")
_PORT = "11112"
_SERVER = Service(
    argv=(PROGRAM.path, "serve", _PORT), side=Side.PEER, timeout_s=60.0, ready=b"listening"
)
_MOST_BYTES_PER_S = 1e13


def parse_trips(line: bytes) -> Answer:
    """Mean and percentiles of the round trips of one slice.

    A high percentile for which there are too few round trips is left out.  The median never is: it
    stands for the slice, and leaving out slices in which trips are few would leave out slow ones.

    Raises:
        WorkloadFault: on anything but the program's exact answer.
    """
    found = own_program.answer("tcp", line, ("ns", "trips", "p50_ns", "p90_ns", "p99_ns"))
    percentiles = {f"p{percent}_ns": percent for percent in (50, 90, 99)}
    in_order = [found[key] for key in percentiles]
    if in_order != sorted(in_order) or in_order[-1] > found["ns"]:
        raise WorkloadFault(f"tcp: percentiles {in_order} in a slice of {found['ns']} ns")
    return Answer(
        found["ns"],
        (
            ("latency_mean_ns", found["ns"] / found["trips"]),
            *(
                (f"latency_{key}", float(found[key]))
                for key, percent in percentiles.items()
                if percent == 50 or found["trips"] >= fewest_observations(percent)
            ),
        ),
    )


def parse_stream(line: bytes) -> Answer:
    """Bytes per second that the peer received in one slice.

    Raises:
        WorkloadFault: on anything but the program's exact answer.
    """
    found = own_program.answer("tcp", line, ("ns", "bytes"))
    rate = found["bytes"] * 1e9 / found["ns"]
    if rate > _MOST_BYTES_PER_S:
        raise WorkloadFault(f"tcp: {found['bytes']} bytes in {found['ns']} ns")
    return Answer(found["ns"], (("received_bytes_per_second", rate),))


def _slices(mode: str, parse: Callable[[bytes], Answer]) -> ResidentSlices:
    return ResidentSlices(
        (PROGRAM.path, "slices", mode, "{peer}", _PORT),
        parse,
        set_up_s=60.0,
        timeout_s=20.0,
        # Both ends' caches, the CPUs' way into and out of idling, TCP's window after a rest.
        lead_ms=5,
        server=_SERVER,
    )


TRIPS = _slices("trips", parse_trips)
STREAM = _slices("stream", parse_stream)
