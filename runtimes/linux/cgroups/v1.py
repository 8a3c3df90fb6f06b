"""cgroup v1: one directory per controller hierarchy (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux.cgroups import base, devices
from runtimes.linux.cgroups.processes import kill_all
from runtimes.linux.cgroups.specs import Account, Bounds, Creation, IoLimit, Write
from runtimes.linux.cpu_list import format_cpus, parse_cpus
from runtimes.resources import LimitsRead

USED = ("cpuset", "cpu", "cpuacct", "memory")
"""Each costs a start and a removal together 0.2 ms."""
ON_DEMAND = ("pids", "blkio", "devices", "freezer")
"""Made where a limit needs them; the freezer when a box is paused, or does not die at once."""
KNOWN = (*USED, *ON_DEMAND)
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
            cpus=parse_cpus(cpus) if cpus else None,
            cpu_quota=quota / period if quota and period and quota > 0 else None,
            memory_bytes=memory if memory is not None and memory < base.UNLIMITED_BYTES else None,
            pids_max=base.number(self._file("pids", "pids.max")),
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

    def account(self) -> Account:
        """See Group."""
        ticks_ns = 10**9 // os.sysconf("SC_CLK_TCK")
        used = self._file("cpuacct", "cpuacct.stat")
        io = base.read_or_none(self._file("blkio", "blkio.throttle.io_service_bytes"))
        memory = self.memory_bytes()
        both = base.number(self._file("memory", "memory.memsw.usage_in_bytes"))
        return Account(
            cpu_ns=self.cpu_ns(),
            cpu_user_ns=_times(base.keyed(used, "user"), ticks_ns),
            cpu_system_ns=_times(base.keyed(used, "system"), ticks_ns),
            throttled_ns=base.keyed(self._file("cpu", "cpu.stat"), "throttled_time"),
            memory_bytes=memory,
            memory_peak_bytes=self.memory_peak_bytes(),
            swap_bytes=None if both is None or memory is None else max(0, both - memory),
            oom_kills=self.oom_kills(),
            pids=base.number(self._file("pids", "pids.current")),
            io_read_bytes=None if io is None else _io_sum(io, "Read"),
            io_write_bytes=None if io is None else _io_sum(io, "Write"),
            stalled_ns={},
        )

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
            if directory.exists():
                base.write(directory / "cgroup.procs", str(pid))

    def freeze(self) -> None:
        """See Group.  v1 has no event for it: FREEZING lasts until the last one has stopped."""
        deadline = time.monotonic() + 5.0
        state = self._gather_frozen(deadline)
        while base.read(state) != "FROZEN":
            if time.monotonic() > deadline:
                base.write(state, "THAWED")
                raise RuntimeFault(
                    f"freeze {state.parent}: still {base.read(state)} after 5 s",
                    hint="a process in uninterruptible sleep cannot be frozen",
                )
            select.select([], [], [], 0.001)

    def _gather_frozen(self, deadline: float) -> Path:
        """Have every process in a freezer cgroup that freezes; its state file.

        Who is moved there freezes and forks no more, so the rounds come to an end.
        """
        directory = self.directories.get("freezer")
        if directory is None:
            raise RuntimeFault(
                "the freezer controller is not mounted",
                hint="mount -t cgroup -o freezer none /sys/fs/cgroup/freezer",
            )
        base.make_directory(directory, may_exist=True)
        state = directory / "freezer.state"
        base.write(state, "FROZEN")
        while outside := set(self.pids()) - set(base.processes(directory)):
            for pid in outside:
                with contextlib.suppress(RuntimeFault):  # it has ended
                    base.write(directory / "cgroup.procs", str(pid))
            if time.monotonic() > deadline:
                raise RuntimeFault(f"freeze {directory}: processes {outside} cannot be moved there")
        return state

    def thaw(self) -> None:
        """See Group."""
        state = self._file("freezer", "freezer.state")
        if state.exists():
            base.write(state, "THAWED")

    def frozen(self) -> bool:
        """See Group."""
        return base.read_or_none(self._file("freezer", "freezer.state")) == "FROZEN"

    def kill(self, timeout_s: float) -> None:
        """See Group."""
        if not self.pids():
            return
        # Frozen members cannot fork between being listed and being killed; the signals take
        # effect on thawing.
        with contextlib.suppress(RuntimeFault):
            self._gather_frozen(time.monotonic() + timeout_s / 2)
        _signal_all(self.pids())
        with contextlib.suppress(RuntimeFault):
            self.thaw()
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
    """Controller → mount point, only those of USED and ON_DEMAND."""
    version: str = "v1"
    others: tuple[Path, ...] = ()
    """Further hierarchies: engines below our parent (dockerd) make directories there too."""

    @property
    def controllers(self) -> Mapping[str, Path]:
        """See Hierarchy."""
        return {name: self.mounts[name] for name in USED if name in self.mounts}

    @property
    def enforces(self) -> frozenset[str]:
        """See Hierarchy."""
        return frozenset(self.mounts)

    def _points(self) -> tuple[Path, ...]:
        """Mount points in use, once each."""
        return tuple(dict.fromkeys(self.mounts[name] for name in KNOWN if name in self.mounts))

    def prepare(self, run: str) -> None:
        """See Hierarchy."""
        self.prepare_path(base.parent_path(run))

    def prepare_path(self, path: str) -> None:
        """See Hierarchy."""
        missing = [name for name in REQUIRED if name not in self.mounts]
        if missing:
            raise RuntimeFault(
                f"cgroup controllers not mounted: {', '.join(missing)}",
                hint="mount them, e.g. mount -t cgroup -o memory none /sys/fs/cgroup/memory",
            )
        for point in self._points():
            below = point
            for part in path.split("/"):
                below = below / part
                base.make_directory(below, may_exist=True)
                if point == self.mounts["cpuset"]:
                    _fill_cpuset(below)

    def creation(self, run: str, name: str, bounds: Bounds) -> Creation:
        """See Hierarchy."""
        return self.creation_at(f"{base.parent_path(run)}/{name}", bounds)

    def creation_at(self, below: str, bounds: Bounds, *, whole: bool = False) -> Creation:
        """See Hierarchy."""
        values = [
            one
            for one in self._values(bounds)
            if bounds.controllers is None or one[0] in bounds.controllers
        ]
        self._check_kept({controller for controller, _, _ in values})
        needed = {*(KNOWN if whole else USED), *(controller for controller, _, _ in values)}
        if bounds.controllers is not None:
            needed &= bounds.controllers
        made = {key: self.mounts[key] / below for key in KNOWN if key in needed & set(self.mounts)}
        writes = tuple(
            Write(made[controller] / file, value)
            for controller, file, value in values
            if controller in made
        )
        directories = tuple(dict.fromkeys(made.values()))
        joins = tuple(directory / "tasks" for directory in directories)
        return Creation(directories, writes, joins, None)

    def _check_kept(self, controllers: set[str]) -> None:
        """Drop no limit that was asked for by name; those of every box are told by a gate."""
        if missing := sorted(controllers & {"blkio", "devices"} - set(self.mounts)):
            raise RuntimeFault(
                f"limits of the {' and '.join(missing)} controller cannot be kept: not mounted",
                hint=f"mount -t cgroup -o {missing[0]} none /sys/fs/cgroup/{missing[0]}",
            )

    def _values(self, bounds: Bounds) -> Iterator[tuple[str, str, str]]:
        """Controller, file and value of every limit, in an order that the kernel takes."""
        yield from _cpu(bounds)
        yield from self._memory(bounds)
        if bounds.pids_max is not None:
            yield "pids", "pids.max", str(bounds.pids_max)
        if bounds.io_weight is not None:
            yield "blkio", self._io_weight_file(), str(min(1000, bounds.io_weight))
        for limit in bounds.io:
            yield from _throttles(limit)
        if bounds.devices is not None:
            yield "devices", "devices.deny", "a"
            for line in devices.allow_lines(bounds.devices):
                yield "devices", "devices.allow", line

    def _memory(self, bounds: Bounds) -> Iterator[tuple[str, str, str]]:
        if bounds.memory_high_bytes is not None:
            yield "memory", "memory.soft_limit_in_bytes", str(bounds.memory_high_bytes)
        if bounds.memory_bytes is not None:
            yield "memory", "memory.limit_in_bytes", str(bounds.memory_bytes)
            # Memory plus swap: without this a box escapes its limit into swap.
            if _exists(f"{self.mounts['memory']}/memory.memsw.limit_in_bytes"):
                total = bounds.memory_bytes + bounds.swap_bytes
                yield "memory", "memory.memsw.limit_in_bytes", str(total)

    def _io_weight_file(self) -> str:
        """BFQ's is there from Linux 5.0 on, CFQ's was before; only these schedulers weigh."""
        point = self.mounts.get("blkio", Path("/nonexistent"))
        return "blkio.weight" if (point / "blkio.weight").exists() else "blkio.bfq.weight"

    def group(self, run: str, name: str) -> V1Group:
        """See Hierarchy."""
        return self.group_at(f"{base.parent_path(run)}/{name}")

    def group_at(self, below: str) -> V1Group:
        """See Hierarchy."""
        directories = {
            controller: self.mounts[controller] / below
            for controller in KNOWN
            if controller in self.mounts
        }
        return V1Group(directories, below.rpartition("/")[2])

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
        self.release_path(base.parent_path(run))

    def release_path(self, path: str) -> None:
        """See Hierarchy."""
        for point in dict.fromkeys((*self._points(), *self.others)):
            parent = point / path
            with contextlib.suppress(RuntimeFault):  # another engine's boxes, or other runs
                base.remove_directory(parent)
                base.remove_directory(parent.parent)


def shares(weight: int) -> int:
    """cpu.shares for a v2 weight: 1024 for 100, and in proportion (2 is the least there is)."""
    return max(2, round(weight * 1024 / 100))


@functools.cache
def _exists(path: str) -> bool:
    """Whether the kernel has a file: it will not change while we run."""
    return Path(path).exists()


def _throttles(limit: IoLimit) -> Iterator[tuple[str, str, str]]:
    for name, value in (
        ("read_bps", limit.read_bytes_per_s),
        ("write_bps", limit.write_bytes_per_s),
        ("read_iops", limit.read_operations_per_s),
        ("write_iops", limit.write_operations_per_s),
    ):
        if value is not None:
            yield "blkio", f"blkio.throttle.{name}_device", f"{limit.major}:{limit.minor} {value}"


def _times(value: int | None, factor: int) -> int | None:
    return None if value is None else value * factor


def _cpu(bounds: Bounds) -> Iterator[tuple[str, str, str]]:
    if bounds.cpus:
        yield "cpuset", "cpuset.cpus", format_cpus(bounds.cpus)
    if bounds.memory_nodes:
        yield "cpuset", "cpuset.mems", format_cpus(bounds.memory_nodes)
    if bounds.cpu_period_us != base.PERIOD_US:
        yield "cpu", "cpu.cfs_period_us", str(bounds.cpu_period_us)
    if bounds.cpu_quota is not None:
        yield "cpu", "cpu.cfs_quota_us", str(round(bounds.cpu_quota * bounds.cpu_period_us))
    if bounds.cpu_weight is not None:
        yield "cpu", "cpu.shares", str(shares(bounds.cpu_weight))


def _io_sum(text: str, kind: str) -> int:
    """Sum over devices of ``MAJOR:MINOR Kind number`` lines."""
    fields = (line.split() for line in text.splitlines())
    return sum(int(line[2]) for line in fields if len(line) == 3 and line[1] == kind)


def _fill_cpuset(directory: Path) -> None:
    """A v1 cpuset is empty when made and takes no process; children copy ours when told so."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not base.read(directory / name):
            base.write(directory / name, base.read(directory.parent / name))
    base.write(directory / "cgroup.clone_children", "1")
