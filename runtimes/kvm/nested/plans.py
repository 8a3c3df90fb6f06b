"""The inner box of ``kvm:nested-ns``: plans of ``ns``, computed here, executed in the guest.

The guest's root is an empty disk; the shared root filesystem is a second, read-only one, mounted
at ``/lower``.  From there on everything is as ``ns`` does it on a host: see boot/init/box.h for who
reads this.  All pure.
"""

from __future__ import annotations

import enum
import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runtimes import ports
from runtimes.base import InstanceSpec
from runtimes.conventions import AGENT_PATH, VOLUME_PATH
from runtimes.launcher import Plan, Side, Step
from runtimes.launcher.operations import MakeDirectory, Operation, WriteFile
from runtimes.linux import cgroups
from runtimes.linux.cgroups.base import parent_path
from runtimes.linux.cgroups.v2 import USED, V2
from runtimes.linux.ids.subordinate import for_boxes_of_root
from runtimes.ns import build, userns
from runtimes.ns.build import Attachment, Box
from runtimes.ns.mounts import roots
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.profile import DEFAULT
from runtimes.process import ENVIRONMENT
from runtimes.resources import Limits

LOWER = Path("/lower")
PLACES = BoxPaths(Path("/box"), Path("/stage"))
BRIDGE = "tb0"
OUTSIDE = "tbbox"
"""The bridge's end of the box's veth pair."""

LIFELINE = 100
MAPPED = 101
"""How plans call the descriptors that init has: see boot/init/box.h."""

IDS = for_boxes_of_root((), ())
"""Nobody in the guest has been given any."""

CGROUPS = V2(Path("/sys/fs/cgroup"), swap=False)
"""A guest has no swap."""


class Kind(enum.IntEnum):
    """What init does with a plan."""

    ALONE = 0
    """Without a child."""
    ID_MAP = 1
    """Its child's user namespace is kept, as ``MAPPED``."""
    BOX = 2
    """Its child is the box."""


@dataclass(frozen=True, slots=True)
class Wire:
    """Where the box is on the network: on the guest's bridge, at the guest's own address."""

    prefix_length: int
    gateway: str
    mtu: int


Requests = tuple[tuple[Kind, Plan], ...]


def requests(spec: InstanceSpec, run: str, wire: Wire | None, program: bytes) -> Requests:
    """Everything that makes the box of ``spec`` in its guest, in order.

    Args:
        spec: the instance.
        run: the run's short id.
        wire: ``None``: the box has loopback only.
        program: the seccomp filter.
    """
    return (
        (Kind.ID_MAP, userns.holding(IDS, LIFELINE)),
        (Kind.ALONE, roots.staged(roots.of(LOWER), PLACES, MAPPED)),
        (Kind.ALONE, _prologue(run, volume=spec.volume is not None)),
        (Kind.BOX, build.plan(_box(spec, run, wire, program))),
    )


def pack(asked: Requests) -> bytes:
    """The file that init reads."""
    packed = [(kind, plan.pack()) for kind, plan in asked]
    return b"".join(struct.pack("=II", kind, len(data)) + data for kind, data in packed)


def directories(volume: str = VOLUME_PATH) -> tuple[str, ...]:
    """What the guest's own root has: mount points, and the stage of ``roots.make_stage``."""
    stage = (PLACES.root, PLACES.plain, PLACES.mapped / "0")
    made = ("/dev", "/proc", "/run", "/sys", str(LOWER), volume, *map(str, stage))
    return tuple(path.lstrip("/") for path in made)


def group(run: str, name: str) -> Path:
    """The box's cgroup, in the guest."""
    return CGROUPS.group(run, name).directory


def inner_limits(limits: Limits) -> Limits:
    """``limits`` as the guest numbers its CPUs: it has as many as the box may use, from 0."""
    return replace(limits, cpus=tuple(range(len(limits.cpus))))


def _prologue(run: str, *, volume: bool) -> Plan:
    """The parents of the box's cgroup, as V2.prepare makes them; the volume is the box's root's."""
    steps: list[Operation] = []
    below = CGROUPS.root
    wanted = " ".join(f"+{name}" for name in USED)
    for part in ("", *parent_path(run).split("/")):
        below /= part
        steps.append(MakeDirectory(str(below), may_exist=True))
        steps.append(WriteFile(str(below / "cgroup.subtree_control"), wanted))
    if volume:
        steps.append(MakeDirectory(VOLUME_PATH, 0o755, *IDS.root, may_exist=True))
    return Plan(tuple(Step(Side.LAUNCHER, "prologue", one) for one in steps))


def _box(spec: InstanceSpec, run: str, wire: Wire | None, program: bytes) -> Box:
    bounds = cgroups.bounds(inner_limits(spec.limits))
    return Box(
        profile=DEFAULT,
        hostname=spec.name,
        places=PLACES,
        ids=IDS,
        argv=(AGENT_PATH,),
        environment=ENVIRONMENT,
        creation=CGROUPS.creation(run, spec.name, bounds),
        attachment=None if wire is None else _attachment(spec, wire),
        lifeline_fd=LIFELINE,
        filter=program,
        volume=None if spec.volume is None else Path(VOLUME_PATH),
    )


def _attachment(spec: InstanceSpec, wire: Wire) -> Attachment:
    return Attachment(
        namespace=Path("/proc/1/ns/net"),
        bridge=BRIDGE,
        outside=OUTSIDE,
        address=str(ipaddress.IPv4Address(spec.lease.address)),
        prefix_length=wire.prefix_length,
        gateway=wire.gateway,
        mac=ports.second_mac(spec.lease.mac),
        mtu=wire.mtu,
    )


def plan_number(asked: Requests, number: int) -> Plan | None:
    """The plan that init calls ``number``."""
    plans: Sequence[Plan] = [plan for _, plan in asked]
    return plans[number] if 0 <= number < len(plans) else None
