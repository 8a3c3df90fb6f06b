"""From a profile to a plan: which side does what, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.cgroups import Creation
from runtimes.launcher import Plan, Side, Step
from runtimes.launcher.operations import (
    Address,
    Attach,
    Capabilities,
    Clone,
    EnterNamespace,
    Execute,
    Hostname,
    Identity,
    IdMap,
    JoinCgroup,
    LeaveOldRoot,
    Loopback,
    MakeDirectory,
    NoNewPrivileges,
    Operation,
    PivotRoot,
    Post,
    Seccomp,
    Unshare,
    Veth,
    Wait,
    WriteFile,
)
from runtimes.launcher.operations import base as kernel
from runtimes.namespaces import capabilities, view
from runtimes.namespaces.profiles import NetworkMode, Profile
from runtimes.namespaces.view import Places

FIRST_ID = 100_000
ID_COUNT = 65_536
"""The subordinate range that stands for the box's users; what Debian gives a first user."""

INSIDE = "eth0"

OWN_MAKING = kernel.CLONE_NEWCGROUP | kernel.CLONE_NEWNET
"""Namespaces that the child makes itself, inside its cgroups: see ``Unshare``."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A box's place on a bridge."""

    namespace: Path
    bridge: str
    outside: str
    """Name of the bridge's end of the pair."""
    address: str
    prefix_length: int
    gateway: str
    mac: str
    mtu: int


@dataclass(frozen=True, slots=True)
class Box:
    """Everything that tells one box from another."""

    profile: Profile
    hostname: str
    layers: Sequence[Path]
    """Topmost first."""
    places: Places
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    creation: Creation | None = None
    controllers: Mapping[str, Path] | None = None
    """v1 controllers for the box's own view; ``None`` on v2."""
    attachment: Attachment | None = None
    """Where BRIDGE and HOST networks are."""
    lifeline_fd: int = -1
    filter: bytes = b""
    directory: str = "/"
    volume: Path | None = None
    """A directory that the box's root owns outside."""


def namespaces(profile: Profile) -> int:
    """clone(2) flags of a profile."""
    wanted = {
        kernel.CLONE_NEWUSER: profile.user,
        kernel.CLONE_NEWPID: profile.pid,
        kernel.CLONE_NEWUTS: profile.uts,
        kernel.CLONE_NEWIPC: profile.ipc,
        kernel.CLONE_NEWCGROUP: profile.cgroup,
        kernel.CLONE_NEWTIME: profile.time,
        kernel.CLONE_NEWNET: profile.network is not NetworkMode.HOST,
    }
    return kernel.CLONE_NEWNS | sum(flag for flag, use in wanted.items() if use)


def plan(box: Box) -> Plan:
    """The steps that make ``box``.

    The launcher makes cgroups, root and devices, then the child, which does the rest alone.  It
    waits for the launcher at most twice: for its id maps, which are there long before it comes to
    them, and for the veth pair, which needs its network namespace first.
    """
    profile = box.profile
    owner = FIRST_ID if profile.user else 0
    attachment = box.attachment if profile.network is NetworkMode.BRIDGE else None
    program = Execute(
        box.argv, tuple(box.environment.items()), profile.pid, box.lifeline_fd, box.directory
    )
    parts: list[tuple[Side, str, Iterable[Operation]]] = [
        (Side.LAUNCHER, "cgroups", cgroup_steps(box.creation)),
        (Side.LAUNCHER, "root", _root(box, owner)),
        (Side.LAUNCHER, "devices", view.devices(owner)),
        (Side.LAUNCHER, "cloned", _clone(box)),
        (Side.LAUNCHER, "mapped", _map(profile)),
        (Side.CHILD, "joined", _join(box)),
        (Side.CHILD, "networked", _early(box, attachment)),
        (Side.LAUNCHER, "joined-bridge", _veth(attachment)),
        (Side.CHILD, "rooted", _take_root(box)),
        (Side.CHILD, "released", (Wait(), Identity()) if profile.user else ()),
        (Side.CHILD, "proc", view.kernel_file_systems(profile.network)),
        (Side.CHILD, "view", _view(box)),
        (Side.CHILD, "left", (LeaveOldRoot(),)),
        (Side.CHILD, "hidden", view.hidden() if profile.masks else ()),
        (Side.CHILD, "addressed", _address(attachment)),
        (Side.CHILD, "confined", _confine(box)),
        (Side.CHILD, "executed", (program,)),
    ]
    return Plan(tuple(Step(side, stage, one) for side, stage, many in parts for one in many))


def cgroup_steps(creation: Creation | None) -> list[Operation]:
    """Make a box's cgroups."""
    if creation is None:
        return []
    return [
        *(MakeDirectory(str(path)) for path in creation.directories),
        *(WriteFile(str(item.path), item.value) for item in creation.writes),
    ]


def join_steps(creation: Creation | None) -> list[Operation]:
    """Go inside (v1; on v2 the child is born there)."""
    return [JoinCgroup(str(path)) for path in creation.joins] if creation else []


def _root(box: Box, owner: int) -> list[Operation]:
    profile, places = box.profile, box.places
    if not profile.overlay:
        return [view.read_only_root(places, mapped=profile.user)]
    return [
        *view.make_directories(places, owner),
        view.overlay(box.layers, places, mapped=profile.user, volatile=profile.volatile),
    ]


def _clone(box: Box) -> list[Operation]:
    born_in = str(box.creation.born_in) if box.creation and box.creation.born_in else ""
    steps: list[Operation] = []
    if box.attachment is not None and box.profile.network is not NetworkMode.NONE:
        # HOST: the child inherits it.  BRIDGE: rtnetlink speaks to the bridge's namespace.
        steps.append(EnterNamespace(str(box.attachment.namespace)))
    if box.profile.network is NetworkMode.HOST:
        steps.append(view.host_sysfs())
    return [*steps, Clone(namespaces(box.profile) & ~OWN_MAKING, born_in)]


def _map(profile: Profile) -> list[Operation]:
    line = f"0 {FIRST_ID} {ID_COUNT}"
    return [IdMap(line, line), Post()] if profile.user else []


def _join(box: Box) -> list[Operation]:
    own = namespaces(box.profile) & OWN_MAKING
    return [*join_steps(box.creation), *([Unshare(own)] if own else [])]


def _early(box: Box, attachment: Attachment | None) -> list[Operation]:
    profile = box.profile
    steps: list[Operation] = [Post()] if attachment else []
    if profile.uts:
        steps.append(Hostname(box.hostname))
    if profile.network is not NetworkMode.HOST:
        steps.append(Loopback())
    return steps


def _take_root(box: Box) -> list[Operation]:
    root = str(box.places.root)
    return [
        Attach(view.ROOT_SLOT, root),
        *([view.volume(box.volume, box.places)] if box.volume else []),
        PivotRoot(root),
    ]


def _view(box: Box) -> list[Operation]:
    steps: list[Operation] = [*view.attached_devices()]
    if box.profile.ipc:
        steps.append(view.message_queues())
    if box.profile.cgroup and box.creation is not None:
        steps.extend(view.cgroup_view(box.controllers))
    return steps


def _veth(attachment: Attachment | None) -> list[Operation]:
    if attachment is None:
        return []
    return [
        Wait(),
        Veth(attachment.bridge, attachment.outside, INSIDE, attachment.mtu, attachment.mac),
        Post(),
    ]


def _address(attachment: Attachment | None) -> list[Operation]:
    if attachment is None:
        return []
    return [
        Wait(),
        Address(INSIDE, attachment.address, attachment.prefix_length, attachment.gateway),
    ]


def _confine(box: Box) -> list[Operation]:
    profile = box.profile
    steps: list[Operation] = []
    if profile.capabilities:
        steps.append(Capabilities(capabilities.kept(user_namespace=profile.user)))
    if profile.no_new_privileges:
        steps.append(NoNewPrivileges())
    if profile.seccomp and box.filter:
        steps.append(Seccomp(box.filter))
    return steps
