"""From a profile to a plan: which side does what, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.cgroups import Creation
from runtimes.launcher import Plan, Side, Step
from runtimes.launcher.operations import (
    Address,
    Capabilities,
    Clone,
    EnterMounts,
    EnterNamespace,
    Execute,
    Hostname,
    Identity,
    IdMap,
    JoinCgroup,
    LeaveOldRoot,
    Loopback,
    MakeDirectory,
    Mount,
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
    user_namespace_fd: int = -1
    """A namespace with the box's id map, for mapped layers."""
    lifeline_fd: int = -1
    filter: bytes = b""
    directory: str = "/"


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

    Both sides run at once: while the launcher writes id maps and mounts the overlay, the child
    brings loopback up; while it makes the veth pair, the child mounts its /proc and hides paths.
    """
    profile = box.profile
    owner = FIRST_ID if profile.user else 0
    attachment = box.attachment if profile.network is NetworkMode.BRIDGE else None
    host_network = profile.network is NetworkMode.HOST
    program = Execute(
        box.argv, tuple(box.environment.items()), profile.pid, box.lifeline_fd, box.directory
    )
    parts: list[tuple[Side, str, Iterable[Operation]]] = [
        (Side.LAUNCHER, "cgroups", cgroup_steps(box.creation)),
        (
            Side.LAUNCHER,
            "directories",
            view.make_directories(box.places, owner) if profile.overlay else (),
        ),
        (Side.LAUNCHER, "cloned", _clone(box)),
        (Side.CHILD, "named", _early(box)),
        (Side.LAUNCHER, "root", (*_root(box), Post())),
        (Side.CHILD, "released", (Wait(), Identity())),
        (
            Side.LAUNCHER,
            "devices",
            (*((view.sysfs(),) if host_network else ()), *view.devices(owner), Post()),
        ),
        (Side.CHILD, "proc", view.kernel_file_systems(own_network=not host_network)),
        (Side.LAUNCHER, "network", (*_veth(attachment), Post())),
        (Side.CHILD, "view", (Wait(), *_view(box))),
        (Side.CHILD, "left", (LeaveOldRoot(),)),
        (Side.CHILD, "hidden", view.hidden() if profile.masks else ()),
        (Side.CHILD, "addressed", (Wait(), *_address(attachment))),
        (Side.CHILD, "confined", _confine(box)),
        (Side.CHILD, "executed", (program,)),
    ]
    return Plan(tuple(Step(side, stage, one) for side, stage, many in parts for one in many))


def cgroup_steps(creation: Creation | None) -> list[Operation]:
    """Make a box's cgroups and go inside, so that the child is born there."""
    if creation is None:
        return []
    return [
        *(MakeDirectory(str(path)) for path in creation.directories),
        *(WriteFile(str(item.path), item.value) for item in creation.writes),
        *(JoinCgroup(str(path)) for path in creation.joins),
    ]


def _clone(box: Box) -> list[Operation]:
    born_in = str(box.creation.born_in) if box.creation and box.creation.born_in else ""
    steps: list[Operation] = []
    if box.attachment is not None:
        # HOST: the child inherits it.  BRIDGE: rtnetlink speaks to the bridge's namespace.
        steps.append(EnterNamespace(str(box.attachment.namespace)))
    flags = namespaces(box.profile)
    if born_in:
        flags &= ~kernel.CLONE_NEWCGROUP
    return [*steps, Clone(flags, born_in)]


def _early(box: Box) -> list[Operation]:
    profile = box.profile
    steps: list[Operation] = []
    if profile.cgroup and box.creation is not None and box.creation.born_in:
        steps.append(Unshare(kernel.CLONE_NEWCGROUP))
    if profile.uts:
        steps.append(Hostname(box.hostname))
    if profile.network is not NetworkMode.HOST:
        steps.append(Loopback())
    return steps


def _root(box: Box) -> list[Operation]:
    steps: list[Operation] = []
    if box.profile.user:
        line = f"0 {FIRST_ID} {ID_COUNT}"
        steps.append(IdMap(line, line))
    mapped = box.user_namespace_fd if box.profile.user else None
    if box.profile.overlay:
        root = view.overlay(box.layers, box.places, mapped, volatile=box.profile.volatile)
    else:
        root = [view.read_only_root(box.layers[0], box.places, mapped)]
    return [
        *steps,
        EnterMounts(),
        Mount("", "/", "", kernel.REC_PRIVATE),
        *root,
        PivotRoot(str(box.places.root)),
    ]


def _view(box: Box) -> list[Operation]:
    steps: list[Operation] = []
    if box.profile.ipc:
        steps.append(view.message_queues())
    if box.profile.cgroup and box.creation is not None:
        steps.extend(view.cgroup_view(box.controllers))
    return steps


def _veth(attachment: Attachment | None) -> list[Operation]:
    if attachment is None:
        return []
    return [
        Veth(attachment.bridge, attachment.outside, INSIDE, attachment.mtu, attachment.mac),
    ]


def _address(attachment: Attachment | None) -> list[Operation]:
    if attachment is None:
        return []
    return [
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
