"""From an OCI configuration to an ``ns`` plan: the way back of describe.py.

The order is that of runtimes/namespaces/build.py.  A bundle's root file system may be anybody's:
so everything that is mounted into it is attached from inside, after the pivot, where a link in it
can only lead to the box's own files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runtimes.base import RuntimeFault
from runtimes.cgroups import Creation
from runtimes.launcher import Plan, Side, Step
from runtimes.launcher.operations import (
    Attach,
    Bind,
    Capabilities,
    Clone,
    CloneTree,
    EnterNamespace,
    Execute,
    Hostname,
    Identity,
    IdMap,
    LeaveOldRoot,
    Loopback,
    MakeDirectory,
    MakeTmpfs,
    Mask,
    Mount,
    NoNewPrivileges,
    Operation,
    PivotRoot,
    Post,
    ResourceLimit,
    Seccomp,
    Unshare,
    Wait,
)
from runtimes.launcher.operations import base as kernel
from runtimes.namespaces import capabilities, view
from runtimes.namespaces.build import OWN_MAKING, cgroup_steps, join_steps
from runtimes.namespaces.view import Places
from runtimes.oci.configuration import Configuration, IdRange, MountPoint
from runtimes.oci.mounts import is_bind, options
from runtimes.oci.read import RESOURCES

_FLAGS: Mapping[str, int] = {
    "mount": kernel.CLONE_NEWNS,
    "pid": kernel.CLONE_NEWPID,
    "network": kernel.CLONE_NEWNET,
    "ipc": kernel.CLONE_NEWIPC,
    "uts": kernel.CLONE_NEWUTS,
    "user": kernel.CLONE_NEWUSER,
    "cgroup": kernel.CLONE_NEWCGROUP,
    "time": kernel.CLONE_NEWTIME,
}
_FIRST_SLOT = view.SYS_SLOT
"""Slots from here on hold bind mounts; those below are the root and /dev."""
_SLOTS = 8
_ATTRIBUTES = kernel.RDONLY | kernel.NOSUID | kernel.NODEV | kernel.NOEXEC


@dataclass(frozen=True, slots=True)
class Means:
    """What the host gives a box made from a configuration."""

    places: Places
    """``places.plain`` is where ``staged`` has mounted the root."""
    creation: Creation | None = None
    controllers: Mapping[str, Path] | None = None
    filter: bytes = b""
    """The configuration's filter, compiled."""
    lifeline_fd: int = -1


def staged(one: Configuration, bundle: Path, places: Places) -> Plan:
    """What the launcher mounts beforehand: the root, read-only if it is to be."""
    attributes = kernel.NODEV | (kernel.RDONLY if one.root_read_only else 0)
    root = Bind(str(bundle / one.root), str(places.plain), recursive=False, attributes=attributes)
    return Plan((Step(Side.LAUNCHER, "staged", root),))


def plan(one: Configuration, means: Means) -> Plan:
    """The steps that make the box that ``one`` describes.

    Raises:
        RuntimeFault: valid, and yet not for ``ns``: another user, too many bind mounts.
    """
    _check(one)
    owner = one.uid_map[0].outside if one.uid_map else 0
    root = str(means.places.root)
    program = Execute(one.argv, one.environment, one.makes("pid"), means.lifeline_fd, one.directory)
    parts: list[tuple[Side, str, Iterable[Operation]]] = [
        (Side.LAUNCHER, "cgroups", cgroup_steps(means.creation)),
        (Side.LAUNCHER, "root", [CloneTree(view.ROOT_SLOT, str(means.places.plain))]),
        (Side.LAUNCHER, "devices", _devices(one, owner)),
        (Side.LAUNCHER, "binds", [CloneTree(slot, each.source) for slot, each in _binds(one)]),
        (Side.LAUNCHER, "cloned", _clone(one, means.creation)),
        (Side.LAUNCHER, "mapped", _map(one)),
        (Side.CHILD, "joined", _join(one, means.creation)),
        (Side.CHILD, "rooted", [Attach(view.ROOT_SLOT, root), PivotRoot(root)]),
        (Side.CHILD, "released", (Wait(), Identity()) if one.uid_map else (Identity(),)),
        (Side.CHILD, "view", _mounts(one, means.controllers)),
        (Side.CHILD, "left", (LeaveOldRoot(),)),
        (Side.CHILD, "hidden", _hidden(one)),
        (Side.CHILD, "confined", _confine(one, means.filter)),
        (Side.CHILD, "executed", (program,)),
    ]
    return Plan(tuple(Step(side, stage, each) for side, stage, many in parts for each in many))


def _check(one: Configuration) -> None:
    if one.uid or one.gid:
        raise RuntimeFault(
            f"ns runs a box's program as its root, not as {one.uid}:{one.gid}",
            hint="set $.process.user to 0:0, and uidMappings so that this is nobody outside",
        )
    if len(_binds(one)) > _SLOTS - _FIRST_SLOT:
        raise RuntimeFault(f"ns takes at most {_SLOTS - _FIRST_SLOT} bind mounts from a bundle")
    if any(mount.destination == "/sys/fs/cgroup" and "ro" not in mount.options
           for mount in one.mounts):  # fmt: skip
        raise RuntimeFault("ns shows a box its cgroups read-only: add option ro to the mount")


def _binds(one: Configuration) -> list[tuple[int, MountPoint]]:
    return list(enumerate(filter(is_bind, one.mounts), start=_FIRST_SLOT))


def _devices(one: Configuration, owner: int) -> list[Operation]:
    """As ``ns`` makes /dev, with the size and flags of the configuration's mount."""
    for mount in one.mounts:
        if mount.destination == "/dev" and mount.kind == "tmpfs":
            wanted = options(mount)
            size = next(
                (part[5:] for part in wanted.data.split(",") if part.startswith("size=")), "64k"
            )
            return [
                replace(each, size=size, attributes=wanted.flags & _ATTRIBUTES)
                if isinstance(each, MakeTmpfs)
                else each
                for each in view.devices((owner, owner))
            ]
    return []


def _clone(one: Configuration, creation: Creation | None) -> list[Operation]:
    joined = [EnterNamespace(path) for kind, path in one.namespaces if path and kind == "network"]
    born_in = str(creation.born_in) if creation and creation.born_in else ""
    return [*joined, Clone(_made(one) & ~OWN_MAKING, born_in)]


def _made(one: Configuration) -> int:
    return sum(_FLAGS[kind] for kind, path in one.namespaces if not path)


def _map(one: Configuration) -> list[Operation]:
    if not one.uid_map:
        return []
    return [IdMap(_lines(one.uid_map), _lines(one.gid_map)), Post()]


def _lines(ranges: tuple[IdRange, ...]) -> str:
    return "\n".join(f"{each.inside} {each.outside} {each.count}" for each in ranges)


def _join(one: Configuration, creation: Creation | None) -> list[Operation]:
    steps = join_steps(creation)
    if own := _made(one) & OWN_MAKING:
        steps.append(Unshare(own))
    if one.hostname:
        steps.append(Hostname(one.hostname))
    if _made(one) & kernel.CLONE_NEWNET:
        steps.append(Loopback())
    return steps


def _mounts(one: Configuration, controllers: Mapping[str, Path] | None) -> list[Operation]:
    slots = {each.destination: slot for slot, each in _binds(one)}
    steps: list[Operation] = []
    for mount in one.mounts:
        place, wanted = mount.destination, options(mount)
        if not place.startswith(("/dev/", "/sys/")):
            steps.append(MakeDirectory(place, may_exist=True))
        if place in slots:
            steps.append(Attach(slots[place], place))
            if wanted.flags & _ATTRIBUTES:
                steps.append(Bind(place, place, attributes=wanted.flags & _ATTRIBUTES))
        elif place == "/dev" and mount.kind == "tmpfs":
            steps.append(Attach(view.DEV_SLOT, place))
        elif mount.kind == "cgroup":
            steps.extend(view.cgroup_view(controllers))
        else:
            steps.append(Mount(mount.source, place, mount.kind, wanted.flags, wanted.data))
    return steps


def _hidden(one: Configuration) -> list[Operation]:
    return [
        *(Bind(path, path, attributes=_ATTRIBUTES, may_be_missing=True) for path in one.read_only),
        *(Mask(path) for path in one.masked),
    ]


def _confine(one: Configuration, program: bytes) -> list[Operation]:
    rights: list[Operation] = [Capabilities(capabilities.mask(one.capabilities))]
    limits = [ResourceLimit(RESOURCES[each.kind], each.soft, each.hard) for each in one.limits]
    sieve: list[Operation] = [Seccomp(program)] if program else []
    if one.no_new_privileges:
        return [*limits, *rights, NoNewPrivileges(), *sieve]
    # Without no_new_privs only a process that still has its capabilities may load a filter.
    return [*limits, *sieve, *rights]
