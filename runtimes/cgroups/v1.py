"""cgroup v1: one directory per controller hierarchy (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes.base import LimitsRead, RuntimeFault
from runtimes.cgroups import base
from runtimes.cgroups.base import Bounds, Creation, Write
from runtimes.cgroups.endings import kill_all

USED = ("cpuset", "cpu", "cpuacct", "memory", "freezer")
"""Each costs a start 40 µs; pids has no limit to enforce here."""
REQUIRED = ("cpuset", "cpu", "memory")


@dataclass(frozen=True, slots=True)
class V1Group:
    """One box's directories, one per hierarchy in use."""

    directories: Mapping[str, Path]
    """Controller → directory."""
    name: str

    def _file(self, controller: str, name: str) -> Path:
        return self.directories.get(controller, Path("/nonexistent")) / name

    def limits(self) -> LimitsRead:
        """See Group."""
        cpus = base.read_or_none(self._file("cpuset", "cpuset.effective_cpus"))
        if not cpus:
            cpus = base.read_or_none(self._file("cpuset", "cpuset.cpus"))
        quota = base.number(self._file("cpu", "cpu.cfs_quota_us"))
        period = base.number(self._file("cpu", "cpu.cfs_period_us"))
        memory = base.number(self._file("memory", "memory.limit_in_bytes"))
        return LimitsRead(
            cpus=base.parse_cpus(cpus) if cpus else None,
            cpu_quota=quota / period if quota and period and quota > 0 else None,
            memory_bytes=memory if memory is not None and memory < base.UNLIMITED_BYTES else None,
        )

    def cpu_ns(self) -> int | None:
        """See Group."""
        return base.number(self._file("cpuacct", "cpuacct.usage"))

    def memory_bytes(self) -> int | None:
        """See Group."""
        return base.number(self._file("memory", "memory.usage_in_bytes"))

    def memory_peak_bytes(self) -> int | None:
        """See Group."""
        return base.number(self._file("memory", "memory.max_usage_in_bytes"))

    def oom_kills(self) -> int:
        """See Group."""
        return base.keyed(self._file("memory", "memory.oom_control"), "oom_kill") or 0

    def pids(self) -> tuple[int, ...]:
        """See Group.  The union over hierarchies: a process may have left some of them."""
        found: set[int] = set()
        for directory in set(self.directories.values()):
            for inner in base.tree(directory):
                found.update(base.processes(inner))
        return tuple(sorted(found))

    def add(self, pid: int) -> None:
        """See Group."""
        for directory in dict.fromkeys(self.directories.values()):
            base.write(directory / "cgroup.procs", str(pid))

    def freeze(self) -> None:
        """See Group.  v1 has no event for it: FREEZING lasts until the last one has stopped."""
        state = self._file("freezer", "freezer.state")
        base.write(state, "FROZEN")
        deadline = time.monotonic() + 5.0
        while base.read(state) != "FROZEN":
            if time.monotonic() > deadline:
                base.write(state, "THAWED")
                raise RuntimeFault(
                    f"freeze {state.parent}: still {base.read(state)} after 5 s",
                    hint="a process in uninterruptible sleep cannot be frozen",
                )
            select.select([], [], [], 0.001)

    def thaw(self) -> None:
        """See Group."""
        base.write(self._file("freezer", "freezer.state"), "THAWED")

    def kill(self, timeout_s: float) -> None:
        """See Group."""
        if not self.pids():
            return
        state = self._file("freezer", "freezer.state")
        if state.exists():
            # Frozen members cannot fork between being listed and being killed; the signals
            # take effect on thawing.
            with contextlib.suppress(RuntimeFault):
                base.write(state, "FROZEN")
            _signal_all(self.pids())
            with contextlib.suppress(RuntimeFault):
                base.write(state, "THAWED")
        kill_all(self.pids, timeout_s, f"cgroup {self.name}")

    def remove(self) -> None:
        """See Group."""
        for directory in dict.fromkeys(self.directories.values()):
            base.remove_tree(directory)


def _signal_all(pids: tuple[int, ...]) -> None:
    for pid in pids:
        if pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class V1:
    """The host's v1 hierarchies."""

    mounts: Mapping[str, Path]
    """Controller → mount point, only those of USED."""
    version: str = "v1"
    others: tuple[Path, ...] = ()
    """Further hierarchies: engines below our parent (dockerd) make directories there too."""

    @property
    def controllers(self) -> Mapping[str, Path]:
        """See Hierarchy."""
        return self.mounts

    def _points(self) -> tuple[Path, ...]:
        """Mount points in use, once each."""
        return tuple(dict.fromkeys(self.mounts[name] for name in USED if name in self.mounts))

    def prepare(self, run: str) -> None:
        """See Hierarchy."""
        missing = [name for name in REQUIRED if name not in self.mounts]
        if missing:
            raise RuntimeFault(
                f"cgroup controllers not mounted: {', '.join(missing)}",
                hint="mount them, e.g. mount -t cgroup -o memory none /sys/fs/cgroup/memory",
            )
        for point in self._points():
            below = point
            for part in base.parent_path(run).split("/"):
                below = below / part
                base.make_directory(below, may_exist=True)
                if point == self.mounts["cpuset"]:
                    _fill_cpuset(below)

    def creation(self, run: str, name: str, bounds: Bounds) -> Creation:
        """See Hierarchy."""
        group = self.group(run, name)
        paths = group.directories
        writes = [Write(paths["cpuset"] / "cpuset.cpus", base.format_cpus(bounds.cpus))]
        if bounds.cpu_quota is not None:
            quota_us = round(bounds.cpu_quota * base.PERIOD_US)
            writes.append(Write(paths["cpu"] / "cpu.cfs_quota_us", str(quota_us)))
        if bounds.memory_bytes is not None:
            memory = paths["memory"]
            writes.append(Write(memory / "memory.limit_in_bytes", str(bounds.memory_bytes)))
            # Memory plus swap: without this a box escapes its limit into swap.
            if (self.mounts["memory"] / "memory.memsw.limit_in_bytes").exists():
                total = memory / "memory.memsw.limit_in_bytes"
                writes.append(Write(total, str(bounds.memory_bytes)))
        directories = tuple(dict.fromkeys(paths.values()))
        joins = tuple(directory / "tasks" for directory in directories)
        return Creation(directories, tuple(writes), joins, None)

    def group(self, run: str, name: str) -> V1Group:
        """See Hierarchy."""
        below = f"{base.parent_path(run)}/{name}"
        directories = {
            controller: self.mounts[controller] / below
            for controller in USED
            if controller in self.mounts
        }
        return V1Group(directories, name)

    def remove_all(self, run: str) -> list[str]:
        """See Hierarchy."""
        points = dict.fromkeys((*self._points(), *self.others))
        parents = [point / base.parent_path(run) for point in points]
        names = {child.name for parent in parents for child in base.children(parent)}
        removed = []
        for name in sorted(names):
            group = self.group(run, name)
            group.kill(timeout_s=10.0)
            for parent in parents:
                base.remove_tree(parent / name)
            removed.append(f"cgroup {name}")
        self.release(run)
        return removed

    def release(self, run: str) -> None:
        """See Hierarchy."""
        for point in dict.fromkeys((*self._points(), *self.others)):
            parent = point / base.parent_path(run)
            with contextlib.suppress(RuntimeFault):  # another engine's boxes, or other runs
                base.remove_directory(parent)
                base.remove_directory(parent.parent)


def _fill_cpuset(directory: Path) -> None:
    """A v1 cpuset is empty when made and takes no process; children copy ours when told so."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not base.read(directory / name):
            base.write(directory / name, base.read(directory.parent / name))
    base.write(directory / "cgroup.clone_children", "1")
