"""cgroup v2: one tree (Documentation/admin-guide/cgroup-v2.rst).

Processes live only in leaves, and a controller works in a cgroup only if every ancestor hands
it down in ``cgroup.subtree_control``.  So the parents that we make hold no process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time
from dataclasses import dataclass
from pathlib import Path

from runtimes.base import CGROUP_PARENT, LimitsRead, RuntimeFault
from runtimes.cgroups import base
from runtimes.cgroups.base import Bounds, Creation, Write
from runtimes.cgroups.endings import kill_all, readable

REQUIRED = ("cpuset", "cpu", "memory")
USED = (*REQUIRED, "pids", "io")


@dataclass(frozen=True, slots=True)
class V2Group:
    """One box's directory."""

    directory: Path

    def limits(self) -> LimitsRead:
        """See Group."""
        cpus = base.read_or_none(self.directory / "cpuset.cpus.effective")
        quota, _, period = (base.read_or_none(self.directory / "cpu.max") or "max").partition(" ")
        return LimitsRead(
            cpus=base.parse_cpus(cpus) if cpus else None,
            cpu_quota=int(quota) / int(period) if quota.isdigit() and period else None,
            memory_bytes=base.number(self.directory / "memory.max"),
        )

    def cpu_ns(self) -> int | None:
        """See Group."""
        usage_us = base.keyed(self.directory / "cpu.stat", "usage_usec")
        return None if usage_us is None else usage_us * 1000

    def memory_bytes(self) -> int | None:
        """See Group."""
        return base.number(self.directory / "memory.current")

    def memory_peak_bytes(self) -> int | None:
        """See Group."""
        return base.number(self.directory / "memory.peak")

    def oom_kills(self) -> int:
        """See Group."""
        return base.keyed(self.directory / "memory.events", "oom_kill") or 0

    def pids(self) -> tuple[int, ...]:
        """See Group."""
        return tuple(pid for inner in base.tree(self.directory) for pid in base.processes(inner))

    def add(self, pid: int) -> None:
        """See Group."""
        base.write(self.directory / "cgroup.procs", str(pid))

    def freeze(self) -> None:
        """See Group."""
        base.write(self.directory / "cgroup.freeze", "1")
        self._await("frozen", 1, 5.0)

    def thaw(self) -> None:
        """See Group."""
        base.write(self.directory / "cgroup.freeze", "0")

    def kill(self, timeout_s: float) -> None:
        """See Group."""
        if not self.directory.exists():
            return
        if (self.directory / "cgroup.kill").exists():  # Linux 5.14
            base.write(self.directory / "cgroup.kill", "1")
            self._await("populated", 0, timeout_s)
        else:
            kill_all(self.pids, timeout_s, f"cgroup {self.directory.name}")

    def _await(self, key: str, wanted: int, timeout_s: float) -> None:
        """Wait until ``key`` in cgroup.events is ``wanted``: each change wakes a poll."""
        events = self.directory / "cgroup.events"
        deadline = time.monotonic() + timeout_s
        descriptor = os.open(events, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while _event(os.pread(descriptor, 4096, 0), key) != wanted:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not readable(descriptor, left_s, select.POLLPRI):
                    raise RuntimeFault(
                        f"{events}: {key} is not {wanted} after {timeout_s:g} s",
                        hint="a process in uninterruptible sleep waits for I/O: "
                        "see /proc/PID/stack",
                    )
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """See Group."""
        base.remove_tree(self.directory)


def _event(text: bytes, key: str) -> int | None:
    for line in text.decode().splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return None


@dataclass(frozen=True, slots=True)
class V2:
    """The host's unified hierarchy."""

    root: Path
    version: str = "v2"

    @property
    def controllers(self) -> None:
        """See Hierarchy."""
        return

    def _parent(self, run: str) -> Path:
        return self.root / base.parent_path(run)

    def prepare(self, run: str) -> None:
        """See Hierarchy."""
        available = base.read(self.root / "cgroup.controllers").split()
        missing = [name for name in REQUIRED if name not in available]
        if missing:
            raise RuntimeFault(
                f"{self.root}/cgroup.controllers lacks {', '.join(missing)}",
                hint="on a host with systemd: Delegate=yes for the unit, or run outside of it",
            )
        wanted = [name for name in USED if name in available]
        below = self.root
        for part in ("", *base.parent_path(run).split("/")):
            below = below / part
            base.make_directory(below, may_exist=True)
            _hand_down(below, wanted)

    def creation(self, run: str, name: str, bounds: Bounds) -> Creation:
        """See Hierarchy."""
        directory = self._parent(run) / name
        writes = [Write(directory / "cpuset.cpus", base.format_cpus(bounds.cpus))]
        if bounds.cpu_quota is not None:
            quota_us = round(bounds.cpu_quota * base.PERIOD_US)
            writes.append(Write(directory / "cpu.max", f"{quota_us} {base.PERIOD_US}"))
        if bounds.memory_bytes is not None:
            writes.append(Write(directory / "memory.max", str(bounds.memory_bytes)))
            if self._has_swap_limit():
                writes.append(Write(directory / "memory.swap.max", "0"))
        return Creation((directory,), tuple(writes), (), directory)

    def _has_swap_limit(self) -> bool:
        """The file is in every cgroup but the root, if the kernel accounts swap at all."""
        return (self.root / CGROUP_PARENT / "memory.swap.max").exists()

    def group(self, run: str, name: str) -> V2Group:
        """See Hierarchy."""
        return V2Group(self._parent(run) / name)

    def remove_all(self, run: str) -> list[str]:
        """See Hierarchy."""
        removed = []
        for child in base.children(self._parent(run)):
            group = V2Group(child)
            group.kill(timeout_s=10.0)
            group.remove()
            removed.append(f"cgroup {child.name}")
        self.release(run)
        return removed

    def release(self, run: str) -> None:
        """See Hierarchy."""
        with contextlib.suppress(RuntimeFault):  # another engine's boxes, or other runs
            base.remove_directory(self._parent(run))
            base.remove_directory(self.root / CGROUP_PARENT)


def _hand_down(directory: Path, controllers: list[str]) -> None:
    control = directory / "cgroup.subtree_control"
    have = base.read(control).split()
    lacking = [name for name in controllers if name not in have]
    if not lacking:
        return
    try:
        base.write(control, " ".join(f"+{name}" for name in lacking))
    except RuntimeFault as fault:
        if errno.errorcode[errno.EBUSY] not in str(fault):
            raise
        raise RuntimeFault(
            str(fault),
            hint=f"processes live in {directory} itself; a cgroup that hands controllers down "
            "must have none (the no-internal-processes rule): move them to a child first",
        ) from None
