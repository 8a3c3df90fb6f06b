"""Mounts and devices of a configuration, as operations of an ``ns`` plan.

A bundle's root file system may be anybody's: so everything is attached from inside, where a link
in it can only lead to the box's own files, and what comes from the host is a detached copy with
its attributes, made by the launcher beforehand.  Inside means after the old root has gone: until
then it lies on top of the new one, and a ``..`` at the root leads onto it.  The kernel allows a
user namespace a /proc and /sys of its own only while it sees others whole, which are the old
root's: so these two are made before, detached too.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.launcher.limits import MAX_HELD
from runtimes.launcher.operations import (
    AttachInRoot,
    Bind,
    CloneTree,
    MakeDirectory,
    MakeMount,
    MakeNode,
    MakePlace,
    MakeTmpfs,
    Mask,
    Mount,
    MountInRoot,
    Operation,
    WriteFile,
)
from runtimes.launcher.operations import base as kernel
from runtimes.linux.cgroups import Creation
from runtimes.ns.mounts import mount_plan
from runtimes.oci.configuration import Configuration, Device, MountPoint
from runtimes.standalone.oci.mounts import PROPAGATION, is_bind, options

_FIRST_SLOT = mount_plan.SYS_SLOT
"""Slots from here on hold bind mounts; those below are the root and /dev."""
_OTHERS = 14
"""Slots for cgroups, /proc and /sys."""
_ATTRIBUTES = kernel.RDONLY | kernel.NOSUID | kernel.NODEV | kernel.NOEXEC
_CGROUPS = "/sys/fs/cgroup"
_REMOUNT = 0x20
_KINDS: Mapping[str, int] = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def check(one: Configuration) -> None:
    """Refuse what is valid and yet cannot be attached.

    Raises:
        RuntimeFault: naming it.
    """
    most = MAX_HELD - _FIRST_SLOT - _OTHERS
    if len(_binds(one)) > most or len(_early(one)) > _OTHERS // 2:
        raise RuntimeFault(f"ns takes at most {most} bind mounts from a bundle")
    if any(each.destination == _CGROUPS and "ro" not in each.options for each in one.mounts):
        raise RuntimeFault("ns shows a box its cgroups read-only: add option ro to the mount")


def devices(one: Configuration, owner: tuple[int, int]) -> list[Operation]:
    """As ``ns`` makes /dev, with the size and flags of the configuration's mount."""
    for mount in one.mounts:
        if mount.destination == "/dev" and mount.kind == "tmpfs":
            wanted = options(mount)
            size = next(
                (part[5:] for part in wanted.data.split(",") if part.startswith("size=")), "64k"
            )
            own = [
                replace(each, size=size, attributes=wanted.flags & _ATTRIBUTES)
                if isinstance(each, MakeTmpfs)
                else each
                for each in mount_plan.devices(owner)
            ]
            return [*own, *(step for device in one.devices for step in _device(device, owner))]
    return []


def _device(device: Device, owner: tuple[int, int]) -> list[Operation]:
    """Relative to the new /dev, as view.devices has it."""
    uid, gid = owner
    name = device.path.removeprefix("/dev/")
    above = posixpath.dirname(name).split("/") if "/" in name else []
    return [
        *(
            MakeDirectory("/".join(above[: depth + 1]), 0o755, uid, gid, may_exist=True)
            for depth in range(len(above))
        ),
        MakeNode(name, device.major, device.minor, uid + device.uid, gid + device.gid,
                 device.mode, _KINDS[device.kind]),
    ]  # fmt: skip


def held(one: Configuration, creation: Creation | None) -> list[Operation]:
    """The launcher's part: a detached copy of everything that is bound."""
    made: list[Operation] = []
    for slot, mount in _binds(one):
        wanted = options(mount)
        made.append(CloneTree(slot, mount.source, wanted.recursive, wanted.flags & _ATTRIBUTES))
    flags = kernel.NOSUID | kernel.NODEV | kernel.NOEXEC | kernel.RDONLY
    for slot, _, directory in _own_cgroups(one, creation):
        made.append(CloneTree(slot, str(directory), attributes=flags))
    return made


def kernel_file_systems(one: Configuration) -> list[Operation]:
    """What the child of a user namespace makes while the old root is there still."""
    return [_made(slot, mount) for slot, mount in _early(one)] if one.uid_map else []


def _made(slot: int, mount: MountPoint) -> Operation:
    return MakeMount(slot, mount.kind, options(mount).flags & _ATTRIBUTES)


def mounted(
    one: Configuration, creation: Creation | None, controllers: Mapping[str, Path] | None
) -> list[Operation]:
    """The child's part, in the configuration's order.

    Where there is no user namespace each is also made when its turn comes: kernels from 6.8 on
    list mounts by age, and programs take the list for the order.
    """
    early = {mount: slot for slot, mount in _early(one)}
    slots = {mount: slot for slot, mount in _binds(one)} | early
    steps: list[Operation] = []
    for mount in one.mounts:
        place, wanted = mount.destination, options(mount)
        if mount in slots:
            if mount in early and not one.uid_map:
                steps.append(_made(early[mount], mount))
            file = is_bind(mount) and _is_file(mount.source)
            steps.append(AttachInRoot(slots[mount], place, file))
            continue
        if place == "/dev" and mount.kind == "tmpfs":
            steps += [] if one.uid_map else devices(one, (0, 0))
            steps.append(AttachInRoot(mount_plan.DEV_SLOT, place))
        elif mount.kind == "cgroup":
            steps.extend(_cgroups(one, creation, controllers))
        else:
            steps.append(MountInRoot(mount.source, place, mount.kind, wanted.flags, wanted.data))
    if one.directory != "/":
        steps.append(MakePlace(one.directory))
    return steps


def settings(one: Configuration) -> list[Operation]:
    """Kernel settings of the box's own namespaces, while /proc/sys can be written."""
    return [WriteFile(f"/proc/sys/{name.replace('.', '/')}", value) for name, value in one.sysctls]


def hidden(one: Configuration) -> list[Operation]:
    """What the box must not see or change."""
    return [
        *(Bind(path, path, attributes=_ATTRIBUTES, may_be_missing=True) for path in one.read_only),
        *(Mask(path) for path in one.masked),
    ]


def propagation(one: Configuration) -> list[Operation]:
    """The last of all: what is unbindable or shared then must not be in the way of the others."""
    flags = PROPAGATION[one.propagation]
    return [Mount("", "/", "", flags)] if flags else []


def _binds(one: Configuration) -> list[tuple[int, MountPoint]]:
    return list(enumerate(filter(is_bind, one.mounts), start=_FIRST_SLOT))


def _early(one: Configuration) -> list[tuple[int, MountPoint]]:
    """From the last slot down."""
    made = [each for each in one.mounts if each.kind in ("proc", "sysfs") and not is_bind(each)]
    return list(zip(range(MAX_HELD - 1, 0, -1), dict.fromkeys(made), strict=False))


def _is_file(source: str) -> bool:
    """Whether a file is bound; what is missing the launcher names when it comes to it."""
    return Path(source).exists() and not Path(source).is_dir()


def _own_cgroups(one: Configuration, creation: Creation | None) -> list[tuple[int, str, Path]]:
    """Slot, name and directory of each cgroup, where only a bind shows no others'.

    In a cgroup namespace a mount has the box's own as its root; without one it would be the
    host's whole tree.
    """
    shown = creation is not None and any(each.kind == "cgroup" for each in one.mounts)
    if creation is None or not shown or one.makes("cgroup"):
        return []
    first = _FIRST_SLOT + len(_binds(one))
    if creation.born_in is not None:
        return [(first, "", creation.born_in)]
    directories = creation.directories
    points = [next(part for part in each.parents if part.is_mount()) for each in directories]
    return [
        (slot, point.name, directory)
        for slot, (point, directory) in enumerate(zip(points, directories, strict=True), first)
    ]


def _cgroups(
    one: Configuration, creation: Creation | None, controllers: Mapping[str, Path] | None
) -> list[Operation]:
    own = _own_cgroups(one, creation)
    if not own:
        return list(mount_plan.cgroup_view(controllers)) if one.makes("cgroup") else []
    if not own[0][1]:
        return [AttachInRoot(own[0][0], _CGROUPS)]
    flags = kernel.NOSUID | kernel.NODEV | kernel.NOEXEC
    return [
        MountInRoot("tmpfs", _CGROUPS, "tmpfs", flags, "mode=755,size=64k"),
        *(AttachInRoot(slot, f"{_CGROUPS}/{name}") for slot, name, _ in own),
        Mount("", _CGROUPS, "", _REMOUNT | flags | kernel.RDONLY),
    ]
