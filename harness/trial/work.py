"""The three kinds of work, each done in a box: commands, start-up, footprint.

Each yields readings ``(metric, iteration, value)`` in the metric's own unit.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from harness.errors import HarnessFault
from harness.trial import services
from harness.trial.box import Box, end, inspect, started
from harness.trial.context import Context
from harness.trial.footprint import weigh
from runtimes.agent.channel import Agent
from runtimes.linux import netns
from workloads.base import (
    CommandWork,
    FootprintWork,
    Output,
    Service,
    Side,
    StartupWork,
    Workload,
)

Reading = tuple[str, int, float]


def perform(context: Context, workload: Workload, box: Box) -> list[Reading]:
    """Do the workload's work in a box that is up and inspected."""
    work = workload.work(context.size)
    match work:
        case CommandWork():
            return _commands(context, workload, work, box)
        case StartupWork():
            raise AssertionError("start-up is timed from before the box exists: see time_startup")
        case FootprintWork():
            return weigh(context, work, box)


def _commands(context: Context, workload: Workload, work: CommandWork, box: Box) -> list[Reading]:
    readings: list[Reading] = []
    tokens = places(context, box, network=workload.needs_network)
    with (
        _sides(context, workload, box) as sides,
        services.running(work.services, sides, tokens) as servers,
    ):
        for iteration in range(1 - work.warm_ups, work.iterations + 1):
            if box.cold:  # the guest first: what it writes back is then still the host's to drop
                context.caches.drop_inside(box.instance.agent)
                context.chill()
            result = services.execute(work.command, sides, tokens, servers)
            box.durations.append((result.wall_ns, result.elapsed_ns))
            output = Output(result.stdout, result.stderr, result.wall_ns)
            readings += [(name, iteration, value) for name, value in workload.parse(output)]
    return readings


@contextlib.contextmanager
def _sides(context: Context, workload: Workload, box: Box) -> Iterator[dict[Side, Agent]]:
    if not workload.needs_network:
        yield {Side.BOX: box.instance.agent}
        return
    with context.peer() as peer:
        yield {Side.BOX: box.instance.agent, Side.PEER: peer}


def places(context: Context, box: Box, *, network: bool) -> dict[str, str]:
    """What stands for the tokens in argv."""
    limits = context.limits
    room = {"cpus": str(len(limits.cpus)), "memory_mib": str(limits.memory_bytes >> 20)}
    if not network:
        return room
    address, port = box.instance.address()
    return {**room, "peer": context.network.peer_address, "box": address, "port": str(port)}


def time_startup(
    context: Context, workload: Workload, work: StartupWork, backend: str, profile: str
) -> tuple[Box, list[Reading]]:
    """Time one box from request to removal; every instant is the host's.

    The checks that every trial makes come after the first answer, so that they cost it nothing.
    """
    if work.service is None:
        with started(context, backend, profile) as box:
            inspect(context, box, workload.program)
    else:
        box = _answering(context, workload, work, work.service, (backend, profile))
    names = {metric.name for metric in workload.metrics}
    told: list[Reading] = [(f"{name}_ns", 1, float(value)) for name, value in box.own_ns.items()]
    return box, [each for each in (*_startup_readings(box.marks), *told) if each[0] in names]


def _answering(
    context: Context, workload: Workload, work: StartupWork, service: Service, arm: tuple[str, str]
) -> Box:
    # Made before the clock starts: only connecting and asking belong to the box's time.
    with (
        netns.inside(context.network.peer_netns, socket.socket) as connection,
        started(context, *arm) as box,
    ):
        sides = {Side.BOX: box.instance.agent}
        with services.running([service], sides, places(context, box, network=True)):
            box.marks["service_up"] = context.clock.now_ns()
            _ask(connection, box.instance.address(), work)
            box.marks["http_200"] = context.clock.now_ns()
            inspect(context, box, workload.program)
        end(context, box)
    return box


def _ask(connection: socket.socket, address: tuple[str, int], work: StartupWork) -> None:
    request = f"GET {work.path} HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n".encode("ascii")
    try:
        connection.settimeout(work.timeout_s)
        connection.connect(address)
        connection.sendall(request)
        answer = b""
        while b"\r\n" not in answer and len(answer) < 1024:
            piece = connection.recv(1024)
            if not piece:
                break
            answer += piece
    except OSError as error:
        raise HarnessFault(
            f"GET {work.path} from {address[0]}:{address[1]}: {error.strerror or error}",
            hint="the box's server is up but the peer does not reach it: see invoke doctor",
        ) from None
    if answer.split(b" ")[1:2] != [b"200"]:
        first = answer[:80].decode("ascii", "replace").split("\r\n")[0]
        raise HarnessFault(f"GET {work.path} from the box: answered {first!r}, not 200")


STARTUP_SPANS = {
    "created_ns": ("request", "started"),
    "first_byte_ns": ("request", "first_byte"),
    "first_http_200_ns": ("request", "http_200"),
    "stopped_ns": ("stop_request", "stopped"),
    "removed_ns": ("stopped", "removed"),
    "ended_ns": ("stop_request", "removed"),
    "total_ns": ("request", "removed"),
}


def _startup_readings(marks: dict[str, int]) -> list[Reading]:
    readings = []
    for metric, (first, last) in STARTUP_SPANS.items():
        if last not in marks:
            continue
        span = marks[last] - marks[first]
        if span < 0:
            raise HarnessFault(f"{last} is {-span} ns before {first}: the clock went backwards")
        readings.append((metric, 1, float(span)))
    return readings
