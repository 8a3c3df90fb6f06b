"""How the host's CPUs are arranged, as far as a guest on some of them is told.

From /sys/devices/system (Documentation/admin-guide/cputopology.rst in the kernel's tree).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/sys/devices/system")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one host CPU is."""

    node: int
    socket: int
    core: int
    cpu: int


@dataclass(frozen=True, slots=True)
class Topology:
    """Arrangement of a guest's CPUs."""

    cpus: tuple[int, ...]
    """Host CPU of each virtual one: threads of a core side by side, as guests count them."""
    sockets: int
    cores: int
    """Per socket."""
    threads: int
    """Per core."""
    nodes: tuple[tuple[int, tuple[int, ...]], ...]
    """Host NUMA node → numbers of the virtual CPUs on it; empty on a host with one node."""


def read(cpus: tuple[int, ...], system: Path = SYSTEM) -> Topology:
    """The topology of ``cpus``; what the host does not tell is taken for one flat socket."""
    nodes = {
        int(path.name.removeprefix("node")): _numbers(path / "cpulist")
        for path in (system / "node").glob("node[0-9]*")
    }
    places = [_place(cpu, nodes, system) for cpu in cpus]
    return arranged(places, host_nodes=len(nodes))


def arranged(places: list[Place], host_nodes: int) -> Topology:
    """Virtual CPUs in the order of sockets, cores and threads.

    A set that does not fill whole cores and sockets evenly is told as one socket of single cores.
    """
    order = sorted(places, key=lambda place: (place.node, place.socket, place.core, place.cpu))
    sockets = len({(place.node, place.socket) for place in order})
    cores = len({(place.node, place.socket, place.core) for place in order})
    even = cores % sockets == 0 and len(order) % cores == 0 and _is_even(order)
    shape = (sockets, cores // sockets, len(order) // cores) if even else (1, len(order), 1)
    nodes: dict[int, list[int]] = {}
    for number, place in enumerate(order):
        nodes.setdefault(place.node, []).append(number)
    return Topology(
        tuple(place.cpu for place in order),
        *shape,
        nodes=tuple((node, tuple(nodes[node])) for node in sorted(nodes)) if host_nodes > 1 else (),
    )


def _is_even(places: list[Place]) -> bool:
    """Every core has as many threads, every socket as many cores, as any other."""
    per_core: dict[tuple[int, int, int], int] = {}
    for place in places:
        key = (place.node, place.socket, place.core)
        per_core[key] = per_core.get(key, 0) + 1
    per_socket: dict[tuple[int, int], int] = {}
    for node, socket, _ in per_core:
        per_socket[node, socket] = per_socket.get((node, socket), 0) + 1
    return len(set(per_core.values())) == 1 and len(set(per_socket.values())) == 1


def _place(cpu: int, nodes: dict[int, frozenset[int]], system: Path) -> Place:
    where = system / f"cpu/cpu{cpu}/topology"
    node = next((number for number, members in nodes.items() if cpu in members), 0)
    return Place(
        node, _number(where / "physical_package_id", 0), _number(where / "core_id", cpu), cpu
    )


def _number(path: Path, otherwise: int) -> int:
    try:
        return max(0, int(path.read_text()))
    except (OSError, ValueError):
        return otherwise


def _numbers(path: Path) -> frozenset[int]:
    """A list such as ``0-3,8``."""
    try:
        text = path.read_text()
    except OSError:
        return frozenset()
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
