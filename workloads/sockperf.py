"""Round trips, box to peer and back, over one TCP connection or by UDP: sockperf's ping-pong."""

from __future__ import annotations

from collections.abc import Mapping

from workloads import tcp
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
from workloads.reading import Reader, fewest_observations

_SOCKPERF = "/usr/bin/sockperf"
_PORT = "11111"
_MOST_US = 1e9
_PERCENTILES: Mapping[str, float] = {
    "latency_p50_ns": 50.0,
    "latency_p90_ns": 90.0,
    "latency_p99_ns": 99.0,
    "latency_p999_ns": 99.9,
}


def timeout_s(size: Size) -> float:
    """Time limit of one iteration: connecting and calibrating under emulation included."""
    return 60.0 + 5.0 * size.seconds


def _work(size: Size, protocol: tuple[str, ...]) -> CommandWork:
    server = Service(
        argv=(_SOCKPERF, "server", *protocol, "-p", _PORT),
        side=Side.PEER,
        timeout_s=60.0,
        ready=b"to block on socket",
    )
    # --full-rtt: otherwise sockperf halves the round trip and calls that latency.  Its default
    # clock is the CPU's counter, calibrated against the system's at start; --no-rdtsc would
    # stretch the discarded warm-up by the CPU's GHz (3.7), which leaves nothing of one second.
    argv = (
        *(_SOCKPERF, "ping-pong", *protocol, "-i", "{peer}", "-p", _PORT),
        *("-t", str(size.seconds), "-m", "64", "--full-rtt"),
    )
    return CommandWork(Command(argv, timeout_s(size)), size.iterations, (server,))


def parse(output: Output) -> tuple[Measurement, ...]:
    """Read ``sockperf ping-pong --full-rtt``: whole round trips, turned into nanoseconds.

    A percentile for which there are too few observations is left out.

    Raises:
        WorkloadFault: on anything else, on lost messages, and without enough for a median.
    """
    reader = Reader.of("sockperf", output)
    mean_us = reader.number("sockperf: Summary: Round trip is", at_most=_MOST_US, suffix=" usec")
    observations = int(reader.match("sockperf: Total", r"([0-9]{1,15}) observations;.*")[1])
    reader.match(
        "sockperf: # dropped messages =",
        r"0; # duplicated messages = 0; # out-of-order messages = 0",
    )
    if observations < fewest_observations(50):
        raise reader.fault(f"{observations} observations are too few for a median")
    printed_us = _percentiles_us(reader)
    return (
        ("latency_mean_ns", _ns(mean_us)),
        *(
            (metric, _ns(printed_us[percentile]))
            for metric, percentile in _PERCENTILES.items()
            if observations >= fewest_observations(percentile)
        ),
    )


def _ns(microseconds: float) -> float:
    """Exact: sockperf prints three decimals."""
    return float(round(microseconds * 1e3))


def _percentiles_us(reader: Reader) -> dict[float, float]:
    """Every percentile that we use → microseconds, checked to be in order.

    Versions differ in the digits that they print of the percentile (``99.90``, ``99.900``).
    """
    begin = "sockperf: ---> percentile "
    labels = [
        begin + line.removeprefix(begin).partition("=")[0] + "="
        for line in reader.lines
        if line.startswith(begin)
    ]
    printed = {}
    for percentile in _PERCENTILES.values():
        spelt = {f"{begin}{percentile:.{digits}f} =" for digits in (1, 2, 3)}
        ours = [label for label in labels if " ".join(label.split()) in spelt]
        if len(ours) != 1:
            raise reader.fault(f"it prints percentile {percentile:g} {len(ours)} times")
        printed[percentile] = reader.number(ours[0], at_most=_MOST_US)
    if list(printed.values()) != sorted(printed.values()):
        raise reader.fault("its percentiles are not in order")
    return printed


def _workload(
    name: str,
    title: str,
    protocol: tuple[str, ...],
    *,
    slices: ResidentSlices | None = None,
    programs: tuple[Program, ...] = (),
) -> Workload:
    return Workload(
        name=name,
        resource="network",
        title=title,
        metrics=(
            Metric("latency_mean_ns", "ns", "lower"),
            *(
                Metric(each, "ns", "lower", primary=each == "latency_p50_ns")
                for each in _PERCENTILES
            ),
        ),
        work=lambda size: _work(size, protocol),
        parse=parse,
        program=_SOCKPERF,
        packages=("sockperf",),
        programs=programs,
        needs_network=True,
        slices=slices,
    )


SOCKPERF = _workload(
    "network.latency",
    "TCP round trip, box to peer",
    ("--tcp",),
    slices=tcp.TRIPS,
    programs=(tcp.PROGRAM,),
)
SOCKPERF_UDP = _workload("network.latency-udp", "UDP round trip, box to peer (sockperf)", ())
