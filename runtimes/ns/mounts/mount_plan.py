"""The box's view of files, as operations: /dev, /proc, /sys, what is hidden; see also roots.py.

Paths are those of Docker's default (moby daemon/pkg/oci/defaults.go).  What needs the host's
privileges the launcher makes as detached mounts, before the child is; the child makes those that
show its own namespaces.  A root may be anybody's, and may have none of these directories: so
everything is put there once the old root has gone, at a place that is found below the root and made
where it is missing, in the writable layer, as runc and Docker make it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes.conventions import VOLUME_PATH
from runtimes.launcher import Plan, Side, Step
from runtimes.launcher.operations import (
    AttachInRoot,
    Bind,
    CloneTree,
    MakeDirectory,
    MakeFile,
    MakeMount,
    MakeNode,
    MakeTmpfs,
    Mask,
    Mount,
    MountInRoot,
    Operation,
    Symlink,
)
from runtimes.launcher.operations.base import NODEV, NOEXEC, NOSUID, RDONLY
from runtimes.ns.profile import NetworkMode

DEVICES = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
)

LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)

MASKED = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)

READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

SHARED = "/dev/shm"  # noqa: S108  # a mount point in the box, not a place for files
TTY_GROUP = 5
SHM_BYTES = 64 << 20
SHARED_DATA = f"mode=1777,size={SHM_BYTES}"
"""Options of the file system for POSIX shared memory."""


ROOT_SLOT = 0
DEV_SLOT = 1
SYS_SLOT = 2
PROC_SLOT = 3
VOLUME_SLOT = 4
FIRST_NODE_SLOT = 5
"""Where the launcher holds detached mounts for the child."""


_REMOUNT, _BIND = 0x20, 0x1000
READ_ONLY_ROOT = Mount("", "/", "", _REMOUNT | _BIND | RDONLY | NODEV)
"""Once the places of other mounts have been made in it."""


@dataclass(frozen=True, slots=True)
class BoxPaths:
    """One instance's directories on the host."""

    state: Path
    """The instance's own."""
    stage: Path
    """Mount points for putting roots together.  All instances of a run share them: each sees
    only what is mounted in its own namespace."""

    @property
    def upper(self) -> Path:
        """The writable layer."""
        return self.state / "upper"

    @property
    def work(self) -> Path:
        """overlayfs' own."""
        return self.state / "work"

    @property
    def root(self) -> Path:
        """Where the child attaches its root before it becomes the root."""
        return self.stage / "root"

    @property
    def native(self) -> Path:
        """Where the launcher has a root with the host's /proc, /sys and /dev in it."""
        return self.stage / "native"

    @property
    def plain(self) -> Path:
        """Where the launcher sees all layers together, read-only."""
        return self.stage / "plain"

    @property
    def own(self) -> Path:
        """Where layers are found by their number."""
        return self.stage / "own"

    @property
    def mapped(self) -> Path:
        """Where layers with mapped ids are found by their number."""
        return self.stage / "mapped"

    @property
    def home(self) -> Path:
        """Where the launcher sees the directory that all layers are in, with mapped ids."""
        return self.stage / "home"

    def make(self) -> None:
        """Make the stage."""
        for point in (self.root, self.native, self.plain, self.own, self.mapped, self.home):
            point.mkdir(parents=True, exist_ok=True)


def volume(directory: Path) -> Operation:
    """A directory of the host as the box's volume, writable; held by the launcher."""
    return CloneTree(VOLUME_SLOT, str(directory), attributes=NODEV)


def attached_volume() -> Operation:
    """The child's part of it."""
    return AttachInRoot(VOLUME_SLOT, VOLUME_PATH)


@functools.cache
def devices(owner: tuple[int, int], own_root: bool = False) -> tuple[Operation, ...]:
    """A private /dev, held detached: a fresh tmpfs with the six devices.

    Root of a user namespace can make no device that works: it holds the host's own, one by one,
    and the child attaches each where an empty file is.
    """
    nodes: list[Operation] = []
    for slot, (name, major, minor) in enumerate(DEVICES, FIRST_NODE_SLOT):
        if own_root:
            nodes += [CloneTree(slot, f"/dev/{name}"), MakeFile(name)]
        else:
            nodes.append(MakeNode(name, major, minor, *owner))
    return (
        MakeTmpfs(DEV_SLOT, "64k", NOSUID, *owner),
        *nodes,
        *(Symlink(name, text, *owner) for name, text in LINKS),
        *(MakeDirectory(name, 0o755, *owner) for name in ("pts", "shm", "mqueue")),
    )


@functools.cache
def attached_devices(own_root: bool, tty_group: bool) -> tuple[Operation, ...]:
    """The child's part of /dev: pseudo-terminals and shared memory of its own.

    Terminals are of their group's, where the box has one; else their user's alone.
    """
    safe = NOSUID | NOEXEC
    group = f",mode=0620,gid={TTY_GROUP}" if tty_group else ",mode=0600"
    terminals = f"newinstance,ptmxmode=0666{group}"
    nodes = enumerate(DEVICES, FIRST_NODE_SLOT) if own_root else ()
    return (
        AttachInRoot(DEV_SLOT, "/dev"),
        *(AttachInRoot(slot, f"/dev/{name}", file=True) for slot, (name, _, _) in nodes),
        MountInRoot("devpts", "/dev/pts", "devpts", safe, terminals),
        MountInRoot("shm", SHARED, "tmpfs", safe | NODEV, SHARED_DATA),
    )


def kernel_file_systems(network: NetworkMode, own_sysfs: bool = True) -> tuple[Operation, ...]:
    """/proc and /sys: what they show depends on who makes them.

    The kernel allows a user namespace its own only while it sees others whole, which are the old
    root's; where they belong is looked up only once that has gone.
    """
    proc = MakeMount(PROC_SLOT, "proc", NOSUID | NODEV | NOEXEC)
    if not own_sysfs or network is NetworkMode.HOST:
        return (proc,)
    return (proc, host_sysfs())


def attached_kernel_file_systems() -> tuple[Operation, ...]:
    """The same in their places."""
    return (AttachInRoot(PROC_SLOT, "/proc"), AttachInRoot(SYS_SLOT, "/sys"))


def host_sysfs() -> Operation:
    """/sys of the network namespace that its maker is in: only its owner may make it."""
    return MakeMount(SYS_SLOT, "sysfs", NOSUID | NODEV | NOEXEC | RDONLY)


def borrowed_sysfs() -> Operation:
    """The host's /sys, with all that is mounted there, read-only."""
    return CloneTree(SYS_SLOT, "/sys", recursive=True, attributes=NOSUID | NODEV | NOEXEC | RDONLY)


def message_queues() -> tuple[Operation, ...]:
    """POSIX message queues of the mounting process's IPC namespace."""
    return (MountInRoot("mqueue", "/dev/mqueue", "mqueue", NOSUID | NODEV | NOEXEC),)


def cgroup_view(controllers: Mapping[str, Path] | None) -> tuple[Operation, ...]:
    """The box's own cgroups, read-only, at /sys/fs/cgroup.

    Args:
        controllers: v1 controllers and their mount points on the host; ``None`` for v2.
    """
    return cgroup_view_of(None if controllers is None else tuple(controllers.items()))


def cgroup_view_of(controllers: tuple[tuple[str, Path], ...] | None) -> tuple[Operation, ...]:
    """As ``cgroup_view``, of items."""
    top = Path("/sys/fs/cgroup")
    flags = NOSUID | NODEV | NOEXEC | RDONLY
    if controllers is None:
        return (MountInRoot("cgroup", str(top), "cgroup2", flags),)
    steps: list[Operation] = [
        MountInRoot("tmpfs", str(top), "tmpfs", NOSUID | NODEV | NOEXEC, "mode=755,size=64k")
    ]
    together: dict[Path, list[str]] = {}
    for name, point in controllers:
        together.setdefault(point, []).append(name)
    for point, names in together.items():
        place = str(top / point.name)
        steps.append(MountInRoot("cgroup", place, "cgroup", flags, ",".join(names)))
    return tuple(steps)


_OF_THE_HOST = ((PROC_SLOT, "/proc"), (SYS_SLOT, "/sys"), (DEV_SLOT, "/dev"))


@functools.cache
def host_file_systems() -> tuple[Operation, ...]:
    """Copies of the host's /proc, /sys and /dev for a root that is only changed to."""
    return tuple(CloneTree(slot, path, recursive=True) for slot, path in _OF_THE_HOST)


@functools.cache
def attached_host_file_systems() -> tuple[Operation, ...]:
    """The same in their places, once it is the root.

    Not the host's shared memory: what a killed server has there would outlive it.
    """
    return (
        *(AttachInRoot(slot, path) for slot, path in _OF_THE_HOST),
        MountInRoot("shm", SHARED, "tmpfs", NOSUID | NODEV | NOEXEC, SHARED_DATA),
    )


def furnished(root: Path) -> tuple[Operation, ...]:
    """What a read-only root needs that is only changed to: scratch space, and the host's view."""
    scratch = (("tmp", "1777"), ("run", "755"))
    return (
        *(
            Mount("tmpfs", str(root / name), "tmpfs", NOSUID | NODEV, f"mode={mode}")
            for name, mode in scratch
        ),
        *(Bind(path, f"{root}{path}") for _, path in _OF_THE_HOST),
        Mount("shm", f"{root}{SHARED}", "tmpfs", NOSUID | NODEV | NOEXEC, SHARED_DATA),
    )


def native_root(places: BoxPaths) -> Plan:
    """What the launcher mounts in its own namespace for roots that are only changed to."""
    root = places.native
    steps = (Bind(str(places.plain), str(root), recursive=False), *furnished(root))
    return Plan(tuple(Step(Side.LAUNCHER, "staged", one) for one in steps))


@functools.cache
def hidden() -> tuple[Operation, ...]:
    """What a box must not see or change."""
    safe = NOSUID | NODEV | NOEXEC
    return (
        *(Bind(path, path, attributes=RDONLY | safe, may_be_missing=True) for path in READ_ONLY),
        *(Mask(path) for path in MASKED),
    )
