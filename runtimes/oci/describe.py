"""From a box of ``ns`` to the OCI configuration that makes the same box."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from runtimes.conventions import VOLUME_PATH
from runtimes.faults import RuntimeFault
from runtimes.linux.cgroups import Bounds
from runtimes.linux.ids.maps import Extent
from runtimes.ns import capabilities
from runtimes.ns.build import Box
from runtimes.ns.mounts import mount_plan
from runtimes.ns.profile import NetworkMode, Profile
from runtimes.oci.configuration import Configuration, IdRange, MountPoint
from runtimes.oci.filters import default_filter
from runtimes.oci.resources import weighs

_SAFE = ("nosuid", "noexec", "nodev")
_SHARED = "/dev/shm"  # noqa: S108  # where POSIX shared memory is mounted, not a file of ours
_KINDS: tuple[tuple[str, str], ...] = (
    ("user", "user"),
    ("pid", "pid"),
    ("uts", "uts"),
    ("ipc", "ipc"),
    ("cgroup", "cgroup"),
    ("time", "time"),
)
"""Type of namespace in the specification, and the field of a profile that switches it."""


def describe(
    box: Box, root: Path, *, bounds: Bounds | None, cgroups_path: str, limits_swap: bool = True
) -> Configuration:
    """The configuration of ``box``, whose prepared root is (to be) mounted at ``root``.

    The overlay is not part of it: in every OCI engine somebody mounts it beforehand.  Nor is the
    veth pair, which goes into the new network namespace between ``create`` and ``start``.

    Raises:
        RuntimeFault: nothing in the specification says what the box is.
    """
    profile = box.profile
    kept = capabilities.kept(user_namespace=profile.user) if profile.capabilities else ~0
    return Configuration(
        argv=box.argv,
        environment=tuple(box.environment.items()),
        root=str(root),
        directory=box.directory,
        root_read_only=not profile.overlay,
        hostname=box.hostname if profile.uts else "",
        namespaces=_namespaces(box),
        uid_map=_map(box.ids.uids) if profile.user else (),
        gid_map=_map(box.ids.gids) if profile.user else (),
        mounts=(
            *_mounts(profile, with_cgroups=profile.cgroup and bounds is not None),
            *_volume(box.volume),
        ),
        masked=mount_plan.MASKED if profile.masks else (),
        read_only=mount_plan.READ_ONLY if profile.masks else (),
        capabilities=names(kept, capabilities.NUMBERS),
        no_new_privileges=profile.no_new_privileges,
        filter=default_filter() if profile.seccomp else None,
        bounds=bounds,
        unified=bounds is not None and box.controllers is None and weighs(bounds),
        limits_swap=limits_swap,
        cgroups_path=cgroups_path if bounds is not None else "",
    )


def _map(extents: Iterable[Extent]) -> tuple[IdRange, ...]:
    return tuple(IdRange(each.inside, each.outside, each.count) for each in extents)


def names(mask: int, numbers: Mapping[str, int]) -> tuple[str, ...]:
    """Capabilities of a mask, in the kernel's order."""
    return tuple(name for name, bit in numbers.items() if mask >> bit & 1)


def _namespaces(box: Box) -> tuple[tuple[str, str], ...]:
    made = [(kind, "") for kind, field in _KINDS if getattr(box.profile, field)]
    if box.profile.network is NetworkMode.HOST:
        if box.attachment is None:
            raise RuntimeFault("a box in the host's network needs to know which namespace that is")
        made.append(("network", str(box.attachment.namespace)))
    else:
        made.append(("network", ""))
    return (("mount", ""), *made)


def _mounts(profile: Profile, *, with_cgroups: bool) -> tuple[MountPoint, ...]:
    """What view.py mounts.  /dev's nodes and links are every runtime's own doing."""
    ours = [
        MountPoint("/proc", "proc", "proc", _SAFE),
        MountPoint("/dev", "tmpfs", "tmpfs", ("nosuid", "mode=755", "size=64k")),
        MountPoint(
            "/dev/pts",
            "devpts",
            "devpts",
            ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
             f"gid={mount_plan.TTY_GROUP}"),
        ),
        MountPoint(_SHARED, "tmpfs", "shm", (*_SAFE, "mode=1777", f"size={mount_plan.SHM_BYTES}")),
    ]  # fmt: skip
    if profile.ipc:
        ours.append(MountPoint("/dev/mqueue", "mqueue", "mqueue", _SAFE))
    ours.append(_sysfs(profile))
    if with_cgroups:
        ours.append(MountPoint("/sys/fs/cgroup", "cgroup", "cgroup", (*_SAFE, "ro")))
    return tuple(ours)


def _volume(directory: Path | None) -> tuple[MountPoint, ...]:
    if directory is None:
        return ()
    return (MountPoint(VOLUME_PATH, "bind", str(directory), ("bind", "rw", "nodev")),)


def _sysfs(profile: Profile) -> MountPoint:
    if profile.network is NetworkMode.HOST and profile.user:
        # Only the owner of a network namespace may mount its sysfs: the host's is bound instead.
        return MountPoint("/sys", "bind", "/sys", ("rbind", *_SAFE, "ro"))
    return MountPoint("/sys", "sysfs", "sysfs", (*_SAFE, "ro"))
