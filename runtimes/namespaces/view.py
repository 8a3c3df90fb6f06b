"""The box's view of files, as operations: overlay root, /dev, /proc, /sys, what is hidden.

Paths are those of Docker's default (moby daemon/pkg/oci/defaults.go).  What needs the host's
privileges is the launcher's, what needs the box's own namespaces is the child's.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.base import RuntimeFault
from runtimes.launcher.operations import (
    Bind,
    BindIdmapped,
    MakeDirectory,
    MakeNode,
    Mask,
    Mount,
    Operation,
    Symlink,
)
from runtimes.launcher.operations.base import NODEV, NOEXEC, NOSUID, RDONLY

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

TTY_GROUP = 5
SHM_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Places:
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
        """Where the root is mounted before it becomes the root."""
        return self.stage / "0"

    def lower(self, index: int) -> Path:
        """Where a layer is seen with mapped ids; the first one is at ``root`` for a while."""
        return self.stage / str(index)


def make_stage(places: Places, layers: int) -> None:
    """The mount points, once per run."""
    for index in range(layers):
        places.lower(index).mkdir(parents=True, exist_ok=True)


def make_directories(places: Places, owner: int) -> list[Operation]:
    """The instance's directories.  The upper one becomes ``/``, which root owns."""
    return [
        MakeDirectory(str(places.state), 0o755),
        MakeDirectory(str(places.upper), 0o755, owner, owner),
        MakeDirectory(str(places.work), 0o700, owner, owner),
    ]


def overlay(
    layers: Sequence[Path],
    places: Places,
    user_namespace_fd: int | None,
    *,
    volatile: bool = False,
) -> list[Operation]:
    """The root: ``layers`` (topmost first) below the instance's own.

    With a user namespace each layer is first seen through its id map, so that files of root
    outside are files of root inside without a copy; the overlay itself is the host's.

    Raises:
        RuntimeFault: a path that overlayfs' option syntax cannot say.
    """
    lower = list(layers)
    steps: list[Operation] = []
    if user_namespace_fd is not None:
        for index, layer in enumerate(layers):
            lower[index] = places.lower(index)
            steps.append(BindIdmapped(str(layer), str(lower[index]), user_namespace_fd))
    for path in (*lower, places.state):
        if set(str(path)) & set(':,\\"'):
            raise RuntimeFault(
                f"overlay cannot take the path {path}", hint="use one without : , \\ and quotes"
            )
    data = (
        f"lowerdir={':'.join(map(str, lower))},upperdir={places.upper},"
        f"workdir={places.work},index=off" + (",volatile" if volatile else "")
    )
    if len(data) > 4000:  # mount(2) takes one page
        raise RuntimeFault(
            f"{len(lower)} layers with long paths do not fit in one overlay mount",
            hint="squash the image, or use shorter directories",
        )
    return [*steps, Mount("overlay", str(places.root), "overlay", 0, data)]


def read_only_root(layer: Path, places: Places, user_namespace_fd: int | None) -> Operation:
    """The root filesystem itself as the root."""
    if user_namespace_fd is not None:
        return BindIdmapped(str(layer), str(places.root), user_namespace_fd)
    return Bind(str(layer), str(places.root), recursive=False, attributes=RDONLY | NODEV)


@functools.cache
def devices(owner: int) -> tuple[Operation, ...]:
    """A private /dev: tmpfs, the six devices, pseudo-terminals and shared memory of its own."""
    dev = Path("/dev")
    ids = f"uid={owner},gid={owner}"
    return (
        Mount("tmpfs", str(dev), "tmpfs", NOSUID, f"mode=755,size=64k,{ids}"),
        *(MakeNode(str(dev / name), major, minor, owner, owner) for name, major, minor in DEVICES),
        *(Symlink(str(dev / name), text, owner, owner) for name, text in LINKS),
        *(MakeDirectory(str(dev / name), 0o755, owner, owner) for name in ("pts", "shm", "mqueue")),
        Mount(
            "devpts",
            str(dev / "pts"),
            "devpts",
            NOSUID | NOEXEC,
            f"newinstance,ptmxmode=0666,mode=0620,gid={owner + TTY_GROUP}",
        ),
        Mount(
            "shm",
            str(dev / "shm"),
            "tmpfs",
            NOSUID | NODEV | NOEXEC,
            f"mode=1777,size={SHM_BYTES},{ids}",
        ),
    )


@functools.cache
def kernel_file_systems(*, own_network: bool) -> tuple[Operation, ...]:
    """/proc and /sys: what they show depends on who mounts them."""
    proc: Operation = Mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    return (proc, sysfs()) if own_network else (proc,)


@functools.cache
def sysfs() -> Operation:
    """/sys of the mounting process's network namespace, whose owner it must be."""
    return Mount("sysfs", "/sys", "sysfs", NOSUID | NODEV | NOEXEC | RDONLY)


@functools.cache
def message_queues() -> Operation:
    """POSIX message queues of the mounting process's IPC namespace."""
    return Mount("mqueue", "/dev/mqueue", "mqueue", NOSUID | NODEV | NOEXEC)


def cgroup_view(controllers: Mapping[str, Path] | None) -> tuple[Operation, ...]:
    """The box's own cgroups, read-only, at /sys/fs/cgroup.

    Args:
        controllers: v1 controllers and their mount points on the host; ``None`` for v2.
    """
    return _cgroup_view(None if controllers is None else tuple(controllers.items()))


@functools.cache
def _cgroup_view(controllers: tuple[tuple[str, Path], ...] | None) -> tuple[Operation, ...]:
    top = Path("/sys/fs/cgroup")
    flags = NOSUID | NODEV | NOEXEC | RDONLY
    if controllers is None:
        return (Mount("cgroup", str(top), "cgroup2", flags),)
    steps: list[Operation] = [
        Mount("tmpfs", str(top), "tmpfs", NOSUID | NODEV | NOEXEC, "mode=755,size=64k")
    ]
    together: dict[Path, list[str]] = {}
    for name, point in controllers:
        together.setdefault(point, []).append(name)
    for point, names in together.items():
        directory = top / point.name
        steps.append(MakeDirectory(str(directory), 0o555))
        steps.append(Mount("cgroup", str(directory), "cgroup", flags, ",".join(names)))
    return tuple(steps)


@functools.cache
def hidden() -> tuple[Operation, ...]:
    """What a box must not see or change."""
    safe = NOSUID | NODEV | NOEXEC
    return (
        *(Bind(path, path, attributes=RDONLY | safe, may_be_missing=True) for path in READ_ONLY),
        *(Mask(path) for path in MASKED),
    )
