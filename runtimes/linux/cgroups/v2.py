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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtimes.conventions import CGROUP_PARENT
from runtimes.faults import RuntimeFault
from runtimes.linux.cgroups import base, devices
from runtimes.linux.cgroups.processes import affinity, kill_all
from runtimes.linux.cgroups.specs import Account, Bounds, Creation, IoLimit, Write
from runtimes.linux.cpu_list import format_cpus, parse_cpus
from runtimes.linux.proc import readable
from runtimes.resources import LimitsRead

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
            cpus=parse_cpus(cpus) if cpus else affinity(self.pids()),
            cpu_quota=int(quota) / int(period) if quota.isdigit() and period else None,
            memory_bytes=base.number(self.directory / "memory.max"),
            pids_max=base.number(self.directory / "pids.max"),
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

    def account(self) -> Account:
        """See Group."""
        where = self.directory
        stat = where / "cpu.stat"
        io = base.read_or_none(where / "io.stat")
        return Account(
            cpu_ns=self.cpu_ns(),
            cpu_user_ns=_ns(base.keyed(stat, "user_usec")),
            cpu_system_ns=_ns(base.keyed(stat, "system_usec")),
            throttled_ns=_ns(base.keyed(stat, "throttled_usec")),
            memory_bytes=self.memory_bytes(),
            memory_peak_bytes=self.memory_peak_bytes(),
            swap_bytes=base.number(where / "memory.swap.current"),
            oom_kills=self.oom_kills(),
            pids=base.number(where / "pids.current"),
            io_read_bytes=None if io is None else _io_sum(io, "rbytes"),
            io_write_bytes=None if io is None else _io_sum(io, "wbytes"),
            stalled_ns={
                name: stalled_us * 1000
                for name in ("cpu", "memory", "io")
                if (stalled_us := _stalled_us(base.read_or_none(where / f"{name}.pressure")))
                is not None
            },
        )

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

    def frozen(self) -> bool:
        """See Group."""
        return base.read_or_none(self.directory / "cgroup.freeze") == "1"

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


def _ns(microseconds: int | None) -> int | None:
    return None if microseconds is None else microseconds * 1000


def _cpu(bounds: Bounds) -> Iterator[tuple[str, str, str]]:
    if bounds.cpus:
        yield "cpuset", "cpuset.cpus", format_cpus(bounds.cpus)
    if bounds.memory_nodes:
        yield "cpuset", "cpuset.mems", format_cpus(bounds.memory_nodes)
    if bounds.cpu_quota is not None or bounds.cpu_period_us != base.PERIOD_US:
        period_us = bounds.cpu_period_us
        quota = "max" if bounds.cpu_quota is None else round(bounds.cpu_quota * period_us)
        yield "cpu", "cpu.max", f"{quota} {period_us}"
    if bounds.cpu_weight is not None:
        yield "cpu", "cpu.weight", str(bounds.cpu_weight)


def _io_line(limit: IoLimit) -> str:
    values = (
        ("rbps", limit.read_bytes_per_s),
        ("wbps", limit.write_bytes_per_s),
        ("riops", limit.read_operations_per_s),
        ("wiops", limit.write_operations_per_s),
    )
    words = [f"{name}={value}" for name, value in values if value is not None]
    return " ".join([f"{limit.major}:{limit.minor}", *words])


def _io_sum(text: str, key: str) -> int:
    """Sum over devices of ``key=number`` in io.stat."""
    words = (word.partition("=") for word in text.split())
    return sum(int(value) for name, _, value in words if name == key and value.isdigit())


def _stalled_us(text: str | None) -> int | None:
    """Total of the ``some`` line of a pressure file."""
    for line in (text or "").splitlines():
        if line.startswith("some "):
            total = line.rpartition("total=")[2]
            return int(total) if total.isdigit() else None
    return None


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
    swap: bool | None = None
    """Whether swap is accounted; ``None``: as this kernel has it.  For a guest's, it is told."""

    @property
    def controllers(self) -> None:
        """See Hierarchy."""
        return

    @property
    def enforces(self) -> frozenset[str]:
        """See Hierarchy."""
        return frozenset((base.read_or_none(self.root / "cgroup.controllers") or "").split())

    def _parent(self, run: str) -> Path:
        return self.root / base.parent_path(run)

    def prepare(self, run: str) -> None:
        """See Hierarchy."""
        self.prepare_path(base.parent_path(run))

    def prepare_path(self, path: str) -> None:
        """See Hierarchy."""
        available = base.read(self.root / "cgroup.controllers").split()
        missing = [name for name in REQUIRED if name not in available]
        if missing:
            raise RuntimeFault(
                f"{self.root}/cgroup.controllers lacks {', '.join(missing)}",
                hint="on a host with systemd: Delegate=yes for the unit, or run outside of it",
            )
        self.hand_down(path)

    def hand_down(self, path: str) -> None:
        """Make ``path`` and those above it, with the controllers that there are."""
        available = base.read(self.root / "cgroup.controllers").split()
        wanted = [name for name in USED if name in available]
        below = self.root
        for part in ("", *path.split("/")):
            below = below / part
            base.make_directory(below, may_exist=True)
            _hand_down(below, wanted)

    def creation(self, run: str, name: str, bounds: Bounds) -> Creation:
        """See Hierarchy."""
        return self.creation_at(f"{base.parent_path(run)}/{name}", bounds)

    def creation_at(self, below: str, bounds: Bounds, *, whole: bool = False) -> Creation:
        """See Hierarchy."""
        del whole  # one directory has every controller
        directory = self.root / below
        program = b"" if bounds.devices is None else devices.program(bounds.devices)
        values = [
            (file, value)
            for controller, file, value in self._values(bounds)
            if bounds.controllers is None or controller in bounds.controllers
        ]
        writes = tuple(Write(directory / file, value) for file, value in values)
        return Creation((directory,), writes, (), directory, program)

    def _values(self, bounds: Bounds) -> Iterator[tuple[str, str, str]]:
        """Controller, file and value of every limit."""
        yield from _cpu(bounds)
        if bounds.memory_high_bytes is not None:
            yield "memory", "memory.high", str(bounds.memory_high_bytes)
        if bounds.memory_bytes is not None:
            yield "memory", "memory.max", str(bounds.memory_bytes)
            if self._has_swap_limit():
                yield "memory", "memory.swap.max", str(bounds.swap_bytes)
        if bounds.pids_max is not None:
            yield "pids", "pids.max", str(bounds.pids_max)
        for file, value in self._io(bounds):
            yield "io", file, value

    def _io(self, bounds: Bounds) -> Iterator[tuple[str, str]]:
        """BFQ and io.cost have a weight each, and it depends on the disk which of them counts.

        Without both it is the one that the kernel then says it does not have.
        """
        if bounds.io_weight is not None:
            has_bfq = self._has("io.bfq.weight")
            if has_bfq:
                yield "io.bfq.weight", f"default {min(1000, bounds.io_weight)}"
            if not has_bfq or self._has("io.weight"):
                yield "io.weight", f"default {bounds.io_weight}"
        for limit in bounds.io:
            yield "io.max", _io_line(limit)

    def _has_swap_limit(self) -> bool:
        """If the kernel accounts swap at all."""
        return self._has("memory.swap.max") if self.swap is None else self.swap

    def _has(self, file: str) -> bool:
        """Whether cgroups have a file; every one but the root has the same."""
        return (self.root / CGROUP_PARENT / file).exists()

    def group(self, run: str, name: str) -> V2Group:
        """See Hierarchy."""
        return self.group_at(f"{base.parent_path(run)}/{name}")

    def group_at(self, below: str) -> V2Group:
        """See Hierarchy."""
        return V2Group(self.root / below)

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
        self.release_path(base.parent_path(run))

    def release_path(self, path: str) -> None:
        """See Hierarchy."""
        parent = self.root / path
        with contextlib.suppress(RuntimeFault):  # another engine's boxes, or other runs
            base.remove_directory(parent)
            base.remove_directory(parent.parent)


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
