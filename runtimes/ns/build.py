"""From a profile to a plan: which side does what, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runtimes.launcher import Plan, Segment, Side, fixed, segment
from runtimes.launcher.operations import (
    Address,
    Affinity,
    Attach,
    Capabilities,
    Chroot,
    Clone,
    DeviceFilter,
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
    Unmount,
    Unshare,
    Veth,
    Wait,
    WriteFile,
)
from runtimes.launcher.operations import base as kernel
from runtimes.linux.cgroups import Creation
from runtimes.linux.disk import DISK_KIND, NO_LIMIT, Spaces
from runtimes.linux.ids.maps import BoxIds, lines
from runtimes.ns import capabilities
from runtimes.ns.mounts import extra_mounts as additions
from runtimes.ns.mounts import mount_plan, roots
from runtimes.ns.mounts.extra_mounts import Addition
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.profile import NetworkMode, Profile
from runtimes.ns.user_lookup import ROOT, UserIdentity

INSIDE = "eth0"

LINKED = (NetworkMode.BRIDGE, NetworkMode.VETH, NetworkMode.ROUTED)

OWN_MAKING = kernel.CLONE_NEWCGROUP | kernel.CLONE_NEWNET
"""Namespaces that the child makes itself, inside its cgroups: see ``Unshare``."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A box's place on a bridge, or at the end of a route."""

    namespace: Path
    bridge: str
    """Empty where the outside end is to be on none."""
    outside: str
    """Name of the bridge's end of the pair."""
    address: str
    prefix_length: int
    gateway: str
    mac: str
    mtu: int
    routed: bool = False
    """Whether the host side is to have a route to the outside end."""


@dataclass(frozen=True, slots=True)
class Box:
    """Everything that tells one box from another."""

    profile: Profile
    hostname: str
    places: BoxPaths
    ids: BoxIds
    """Of a box with a user namespace."""
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    depth: int = 1
    """How many layers are staged for it."""
    creation: Creation | None = None
    controllers: Mapping[str, Path] | None = None
    """v1 controllers for the box's own view; ``None`` on v2."""
    attachment: Attachment | None = None
    """Where BRIDGE and HOST networks are."""
    lifeline_fd: int = -1
    filter: bytes = b""
    directory: str = "/"
    """Where the program begins; made where it is missing."""
    account: UserIdentity = ROOT
    volume: Path | None = None
    """A directory that the box's root owns outside."""
    spaces: Spaces = NO_LIMIT
    """What limits its layer and its volume."""
    made: bool = False
    """Whether its state directory is there already."""
    additions: tuple[Addition, ...] = ()
    """What is attached in the root besides."""
    read_only: bool = False
    """Whether the root is, once everything is in its place."""
    own_root: bool = False
    """The launcher is root of a user namespace only: layers belong to it already, its overlay keeps
    marks in user.* attributes, and devices are the host's, bound."""


def namespaces(profile: Profile) -> int:
    """clone(2) flags of a profile."""
    wanted = (
        (kernel.CLONE_NEWNS, profile.mount),
        (kernel.CLONE_NEWUSER, profile.user),
        (kernel.CLONE_NEWPID, profile.pid),
        (kernel.CLONE_NEWUTS, profile.uts),
        (kernel.CLONE_NEWIPC, profile.ipc),
        (kernel.CLONE_NEWCGROUP, profile.cgroup),
        (kernel.CLONE_NEWTIME, profile.time),
        (kernel.CLONE_NEWNET, profile.network is not NetworkMode.HOST),
    )
    return sum(flag for flag, use in wanted if use)


def plan(box: Box) -> Plan:
    """The steps that make ``box``.

    The launcher makes the cgroups, then the child, which makes its network namespace (a third of
    all the work) while the launcher makes root and devices.  It waits for the launcher at most
    twice: for these and its id maps, and for the veth pair, which needs its network namespace
    first.
    """
    profile = box.profile
    owner = box.ids.root if profile.user else (0, 0)
    attachment = box.attachment if profile.network in LINKED else None
    parts: list[Segment | None] = [
        segment(Side.LAUNCHER, "cgroups", cgroup_steps(box.creation)),
        segment(Side.LAUNCHER, "cloned", _clone(box)),
        fixed(Side.LAUNCHER, "mapped", _map, box.ids) if profile.user else None,
        segment(Side.LAUNCHER, "root", _root(box, owner)),
        segment(Side.LAUNCHER, "devices", [mount_plan.host_sysfs()])
        if _shows_host_sysfs(box)
        else None,
        segment(Side.LAUNCHER, "devices", _held_volume(box, box.volume)) if box.volume else None,
        fixed(Side.LAUNCHER, "devices", mount_plan.devices, owner, box.own_root)
        if profile.pivot
        else None,
        segment(Side.LAUNCHER, "binds", additions.held(box.additions)) if box.additions else None,
        fixed(Side.LAUNCHER, "handed", _hand),
        segment(Side.CHILD, "joined", _join(box)),
        segment(Side.CHILD, "networked", _early(box, attachment)),
        segment(Side.LAUNCHER, "linked", _veth(attachment)) if attachment else None,
        segment(Side.CHILD, "rooted", _take_root(box)),
        fixed(Side.CHILD, "released", _released, box.ids.groups),
        *(_own_view(box) if profile.pivot else ()),
        segment(Side.CHILD, "addressed", _address(attachment)) if attachment else None,
        segment(Side.CHILD, "confined", _directory(box)) if box.directory != "/" else None,
        segment(Side.CHILD, "view", [mount_plan.READ_ONLY_ROOT]) if box.read_only else None,
        fixed(Side.CHILD, "confined", confine, profile, box.filter, box.account, box.ids.groups),
        segment(Side.CHILD, "executed", [_program(box)]),
    ]
    return Plan.joined(part for part in parts if part is not None)


def cgroup_steps(creation: Creation | None) -> list[Operation]:
    """Make a box's cgroups."""
    if creation is None:
        return []
    return [
        *(MakeDirectory(str(path)) for path in creation.directories),
        *(WriteFile(str(item.path), item.value) for item in creation.writes),
        *(
            [DeviceFilter(str(creation.born_in), creation.device_program)]
            if creation.device_program
            else []
        ),
    ]


def join_steps(creation: Creation | None) -> list[Operation]:
    """Go inside (v1; on v2 the child is born there), and where there is no CPU set, on the CPUs."""
    if creation is None:
        return []
    pinned = [Affinity(creation.affinity)] if creation.affinity else []
    return [*(JoinCgroup(str(path)) for path in creation.joins), *pinned]


def _root(box: Box, owner: tuple[int, int]) -> list[Operation]:
    profile, places = box.profile, box.places
    mapped = profile.user and not box.own_root
    if not profile.overlay:
        root = roots.read_only_root(box.depth, places, mapped=mapped, user_xattr=box.own_root)
        return [root] if profile.pivot else []
    overlay = roots.overlay(
        box.depth, places, mapped=mapped, volatile=profile.volatile, user_xattr=box.own_root
    )
    return roots.writable(overlay, places, owner, made=box.made, device=box.spaces.layer.device)


def _clone(box: Box) -> list[Operation]:
    profile = box.profile
    born_in = str(box.creation.born_in) if box.creation and box.creation.born_in else ""
    steps: list[Operation] = []
    if box.attachment is not None and profile.network is not NetworkMode.NONE:
        # HOST: the child inherits it.  Else rtnetlink speaks to the bridge's namespace.
        steps.append(EnterNamespace(str(box.attachment.namespace)))
    return [*steps, Clone(namespaces(profile) & ~OWN_MAKING, born_in)]


def _has_volume_disk(box: Box) -> bool:
    return box.volume is not None and bool(box.spaces.volume.device)


def volume_mounts(box: Box) -> list[Operation]:
    """The volume's disk on its directory, for as long as nobody else has it."""
    if not _has_volume_disk(box):
        return []
    return [Mount(box.spaces.volume.device, str(box.volume), DISK_KIND)]


def volume_unmounts(box: Box) -> list[Operation]:
    """The box's own copy is all that is left of it."""
    return [Unmount(str(box.volume))] if _has_volume_disk(box) else []


def _held_volume(box: Box, directory: Path) -> list[Operation]:
    return [*volume_mounts(box), mount_plan.volume(directory), *volume_unmounts(box)]


def _shows_host_sysfs(box: Box) -> bool:
    profile = box.profile
    return profile.network is NetworkMode.HOST and profile.pivot and not _borrows_sysfs(box)


def _borrows_sysfs(box: Box) -> bool:
    """Only its owner may show a network namespace's /sys: of the host's own, a copy is shown."""
    profile = box.profile
    return box.own_root and profile.network is NetworkMode.HOST and box.attachment is None


def _map(ids: BoxIds) -> list[Operation]:
    return [IdMap(lines(ids.uids), lines(ids.gids))]


def _hand() -> list[Operation]:
    """What the launcher has made becomes the child's."""
    return [Post()]


def _released(sets_groups: bool) -> list[Operation]:
    """Root of the box, and in no group: the harness's own groups are not the box's."""
    return [Identity(sets_groups=sets_groups)]


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
    profile, root = box.profile, str(box.places.root)
    if not profile.pivot and not profile.overlay:
        return [Wait(), Chroot(str(box.places.native))]
    if profile.pivot:
        borrowed = [mount_plan.borrowed_sysfs()] if _borrows_sysfs(box) else []
        return [Wait(), Attach(mount_plan.ROOT_SLOT, root), *borrowed, PivotRoot(root)]
    return [
        Wait(),
        Attach(mount_plan.ROOT_SLOT, root),
        *mount_plan.host_file_systems(),
        Chroot(root),
        *mount_plan.attached_host_file_systems(),
        *_volume(box),
    ]


def _volume(box: Box) -> list[Operation]:
    return [mount_plan.attached_volume()] if box.volume else []


def _own_view(box: Box) -> list[Segment | None]:
    """/proc, /sys and /dev: made while the old root is there, put in their places without it.

    Until it goes it lies on top of the new one, and a ``..`` at the root leads onto it.
    """
    profile = box.profile
    shown = profile.cgroup and box.creation is not None and box.creation.directories
    groups = None if box.controllers is None else tuple(box.controllers.items())
    has_terminals = box.ids.has_group(mount_plan.TTY_GROUP)
    return [
        fixed(
            Side.CHILD,
            "proc",
            mount_plan.kernel_file_systems,
            profile.network,
            not _borrows_sysfs(box),
        ),
        fixed(Side.CHILD, "left", _leave),
        fixed(Side.CHILD, "view", mount_plan.attached_kernel_file_systems),
        fixed(Side.CHILD, "view", mount_plan.attached_devices, box.own_root, has_terminals),
        fixed(Side.CHILD, "view", mount_plan.message_queues) if profile.ipc else None,
        fixed(Side.CHILD, "view", mount_plan.cgroup_view_of, groups) if shown else None,
        segment(Side.CHILD, "view", _volume(box)) if box.volume else None,
        segment(Side.CHILD, "binds", additions.placed(box.additions)) if box.additions else None,
        fixed(Side.CHILD, "hidden", mount_plan.hidden) if profile.masks else None,
    ]


def _leave() -> list[Operation]:
    return [LeaveOldRoot()]


def _veth(attachment: Attachment) -> list[Operation]:
    one = attachment
    routed = one.address if one.routed else ""
    veth = Veth(one.bridge, one.outside, INSIDE, one.mtu, one.mac, routed)
    return [Wait(), veth, *([_own_source(one)] if one.routed else []), Post()]


def _own_source(attachment: Attachment) -> Operation:
    """No bridge looks at its frames.

    So the host side takes a packet only from where the route leads back to its sender (ip-sysctl,
    rp_filter).
    """
    return WriteFile(f"/proc/sys/net/ipv4/conf/{attachment.outside}/rp_filter", "1")


def _address(attachment: Attachment) -> list[Operation]:
    one = attachment
    return [Wait(), Address(INSIDE, one.address, one.prefix_length, one.gateway)]


def _directory(box: Box) -> list[Operation]:
    """The working directory and those above it, by the box's root in the box's own root."""
    above = [path for path in reversed(PurePosixPath(box.directory).parents) if path.name]
    names = [*map(str, above), box.directory]
    return [MakeDirectory(name, 0o755, may_exist=True) for name in names]


def confine(
    profile: Profile, program: bytes, account: UserIdentity = ROOT, sets_groups: bool = True
) -> list[Operation]:
    """Take away all rights that a box does not need, the filter last.

    Another user than root is become while that is still allowed; its exec then loses the
    capabilities that root of the box keeps.
    """
    steps: list[Operation] = []
    if profile.capabilities:
        steps.append(Capabilities(capabilities.kept(user_namespace=profile.user)))
    if account != ROOT:
        steps.append(Identity(account.uid, account.gid, account.groups, sets_groups))
    if profile.no_new_privileges:
        steps.append(NoNewPrivileges())
    if profile.seccomp and program:
        steps.append(Seccomp(program))
    return steps


def _program(box: Box) -> Operation:
    environment = tuple(box.environment.items())
    return Execute(box.argv, environment, box.profile.pid, box.lifeline_fd, box.directory)
