"""Mounts of a configuration in the kernel's terms: flags, attributes and data."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from runtimes.launcher.operations.base import NODEV, NOEXEC, NOSUID, RDONLY
from runtimes.oci.configuration import MountPoint
from runtimes.oci.fields import BundleFault, Fields

KINDS = ("proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "bind")
_NOATIME, _NODIRATIME, _RELATIME, _STRICTATIME = 0x400, 0x800, 0x200000, 0x1000000
FLAGS: Mapping[str, int] = {
    "ro": RDONLY,
    "nosuid": NOSUID,
    "nodev": NODEV,
    "noexec": NOEXEC,
    "noatime": _NOATIME,
    "nodiratime": _NODIRATIME,
    "relatime": _RELATIME,
    "strictatime": _STRICTATIME,
}
_NOTHING = ("rw", "suid", "dev", "exec", "defaults", "private", "rprivate")
"""Options that ask for what is so anyway."""
PROPAGATION: Mapping[str, int] = {
    "": 0,
    "private": 0,
    "rprivate": 0,
    "slave": 1 << 19,
    "rslave": 1 << 19 | 0x4000,
    "shared": 1 << 20,
    "rshared": 1 << 20 | 0x4000,
    "unbindable": 1 << 17,
    "runbindable": 1 << 17 | 0x4000,
}
"""Of the root: within the box's own namespace.  None of its mounts has a peer on the host."""
_BINDS = ("bind", "rbind")
_DATA: Mapping[str, tuple[str, ...]] = {
    "tmpfs": ("mode", "size", "uid", "gid", "nr_inodes"),
    "devpts": ("newinstance", "ptmxmode", "mode", "gid"),
}
"""Options of each file system that pass to it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What ``mount(2)`` is given."""

    flags: int
    data: str
    recursive: bool


def is_bind(mount: MountPoint) -> bool:
    """Whether it is a bind mount, which the type or an option says."""
    return mount.kind == "bind" or any(option in _BINDS for option in mount.options)


def options(mount: MountPoint) -> Options:
    """Flags and data of a mount that ``check_mount`` has passed."""
    data = [option for option in mount.options if _is_data(mount.kind, option)]
    flags = sum(FLAGS[option] for option in set(mount.options) if option in FLAGS)
    return Options(flags, ",".join(data), "rbind" in mount.options)


def _is_data(kind: str, option: str) -> bool:
    return option.partition("=")[0] in _DATA.get(kind, ())


def check_mount(fields: Fields, mount: MountPoint) -> None:
    """Refuse what ns does not mount.

    Raises:
        BundleFault: naming the field.
    """
    place = mount.destination
    if not place.startswith("/") or posixpath.normpath(place) != place or place == "/":
        raise BundleFault(
            fields.at("destination"), f"{place!r} is not an absolute path without . and .."
        )
    if not is_bind(mount) and mount.kind not in KINDS:
        raise BundleFault(fields.at("type"), f"ns mounts {', '.join(KINDS)}, not {mount.kind!r}")
    if is_bind(mount) and not mount.source.startswith("/"):
        raise BundleFault(fields.at("source"), "of a bind mount must be an absolute path")
    known = {*FLAGS, *_NOTHING, *(_BINDS if is_bind(mount) else ())}
    for index, option in enumerate(mount.options):
        if option not in known and not _is_data(mount.kind, option):
            raise BundleFault(
                f"{fields.at('options')}[{index}]", f"ns does not know {option!r} for {mount.kind}"
            )
