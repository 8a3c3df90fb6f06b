"""A container's cgroup, read from the host: what the kernel enforces, not what Docker echoes.

Control groups v1, v2 and hybrid mounts: the path of each controller is found by the container's
main process (``/proc/<pid>/cgroup``, cgroups(7)) below that controller's mount point.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes.base import LimitsRead

UNIFIED = ""
"""Name of the v2 hierarchy among the controllers."""

_UNLIMITED_BYTES = 1 << 60
"""v1 shows "no limit" as LONG_MAX rounded down to a page."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Directories of one process's cgroups, by controller; ``UNIFIED`` is the v2 one."""

    directories: Mapping[str, Path]

    def directory(self, controller: str) -> tuple[Path, bool] | None:
        """Directory in which ``controller`` is steered, and whether it is a v2 one."""
        if controller in self.directories:
            return self.directories[controller], False
        unified = self.directories.get(UNIFIED)
        if unified is not None and controller in _words(unified / "cgroup.controllers"):
            return unified, True
        return None


def of_process(pid: int, proc: Path = Path("/proc")) -> Membership:
    """Membership of ``pid``; empty when it is gone."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
        mounts = mount_points((proc / "self" / "mountinfo").read_text())
    except OSError:
        return Membership({})
    directories = {}
    for line in lines:
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(","):
            if name in mounts:
                directories[name] = mounts[name] / path.lstrip("/")
    return Membership(directories)


def mount_points(mountinfo: str) -> dict[str, Path]:
    """Mount point of each v1 controller and of the v2 hierarchy (proc_pid_mountinfo(5))."""
    found: dict[str, Path] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or len(kinds) < 3:
            continue
        if kinds[0] == "cgroup2":
            found.setdefault(UNIFIED, Path(fields[4]))
        elif kinds[0] == "cgroup":
            for option in kinds[2].split(","):
                found.setdefault(option, Path(fields[4]))
    return found


def limits(membership: Membership) -> LimitsRead:
    """CPU set, quota and memory limit that the kernel enforces."""
    return LimitsRead(
        cpus=_cpus(membership), cpu_quota=_quota(membership), memory_bytes=_memory(membership)
    )


def memory_bytes(membership: Membership) -> int | None:
    """Current charge."""
    return _figure(membership, "memory", "memory.usage_in_bytes", "memory.current")


def memory_peak_bytes(membership: Membership) -> int | None:
    """Highest charge; ``memory.peak`` exists from Linux 5.19."""
    return _figure(membership, "memory", "memory.max_usage_in_bytes", "memory.peak")


def cpu_ns(membership: Membership) -> int | None:
    """CPU time used."""
    v1 = membership.directories.get("cpuacct")
    if v1 is not None:
        return _integer(v1 / "cpuacct.usage")
    unified = membership.directories.get(UNIFIED)
    for line in _lines(unified / "cpu.stat") if unified is not None else ():
        name, _, value = line.partition(" ")
        if name == "usage_usec" and value.isdigit():
            return int(value) * 1000
    return None


def processes(membership: Membership) -> tuple[int, ...]:
    """Processes in the cgroup and below it."""
    for controller in ("memory", "pids", UNIFIED):
        top = membership.directories.get(controller)
        if top is not None and top.is_dir():
            return tuple(sorted(set(_below(top))))
    return ()


def cpu_list(words: str) -> tuple[int, ...] | None:
    """CPUs of a kernel list such as ``0-3,8``; ``None`` when it is none."""
    found: set[int] = set()
    for part in words.strip().split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            return None
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def _below(top: Path) -> Iterator[int]:
    for file in (top / "cgroup.procs", *top.rglob("*/cgroup.procs")):
        yield from (int(word) for word in _words(file) if word.isdigit())


def _cpus(membership: Membership) -> tuple[int, ...] | None:
    place = membership.directory("cpuset")
    if place is None:
        return None
    directory, _ = place
    for name in ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"):
        text = _text(directory / name)
        if text:
            return cpu_list(text)
    return None


def _quota(membership: Membership) -> float | None:
    place = membership.directory("cpu")
    if place is None:
        return None
    directory, unified = place
    if unified:
        words = _words(directory / "cpu.max")
    else:
        words = [_text(directory / "cpu.cfs_quota_us"), _text(directory / "cpu.cfs_period_us")]
    if len(words) != 2 or not words[0].isdigit() or not words[1].isdigit() or words[1] == "0":
        return None
    return int(words[0]) / int(words[1])


def _memory(membership: Membership) -> int | None:
    value = _figure(membership, "memory", "memory.limit_in_bytes", "memory.max")
    return None if value is None or value >= _UNLIMITED_BYTES else value


def _figure(membership: Membership, controller: str, v1: str, v2: str) -> int | None:
    place = membership.directory(controller)
    if place is None:
        return None
    directory, unified = place
    return _integer(directory / (v2 if unified else v1))


def _integer(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.isdigit() else None


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text().strip()
    return ""


def _words(file: Path) -> list[str]:
    return _text(file).split()


def _lines(file: Path) -> list[str]:
    return _text(file).splitlines()
