"""cgroups v1, v2 and hybrid behind one small protocol: limits, accounting, killing, removal."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux.cgroups import base, delegated, v1, v2
from runtimes.linux.cgroups.base import Group, Hierarchy, Tree, create
from runtimes.linux.cgroups.mounts import parse
from runtimes.linux.cgroups.specs import Account, Bounds, Creation, DeviceRule, IoLimit
from runtimes.linux.cgroups.without import Absent
from runtimes.linux.ids.rights import is_host_root
from runtimes.resources import InstanceStats, Limits

__all__ = [
    "LIMITING",
    "Absent",
    "Account",
    "Bounds",
    "Creation",
    "DeviceRule",
    "Group",
    "Hierarchy",
    "IoLimit",
    "Tree",
    "bounds",
    "check",
    "conditions",
    "create",
    "detect",
    "held",
    "stats",
    "usable",
]

LIMITING = frozenset({"cpuset", "cpu", "memory"})
"""Controllers of the limits that every arm has."""

MOUNTINFO = Path("/proc/self/mountinfo")


def detect(mountinfo: str | None = None) -> Tree:
    """The hierarchy that holds CPU and memory controllers on this host.

    Args:
        mountinfo: text to look in; this process's by default.

    Raises:
        RuntimeFault: there is none.
    """
    found = parse(MOUNTINFO.read_text() if mountinfo is None else mountinfo)
    used = {name: found.v1[name] for name in v1.KNOWN if name in found.v1}
    if all(name in used for name in v1.REQUIRED):
        others = set(found.v1.values()) | ({found.v2} if found.v2 else set())
        version = "v1" if found.v2 is None else "hybrid"
        return v1.V1(used, version, tuple(sorted(others - set(used.values()))))
    if found.v2 is not None:
        return v2.V2(found.v2)
    raise RuntimeFault(
        "no cgroup hierarchy with the cpu, cpuset and memory controllers is mounted",
        hint="mount -t cgroup2 none /sys/fs/cgroup",
    )


def usable() -> Hierarchy:
    """As ``detect``; a plain user's own part of it, or else a stand-in that says why not."""
    try:
        found = detect()
    except RuntimeFault as fault:
        return Absent(str(fault))
    points = [found.root] if isinstance(found, v2.V2) else list((found.controllers or {}).values())
    refused = [point for point in points if not base.is_writable(point)]
    if not refused:
        return found
    if isinstance(found, v2.V2):
        return delegated.find(found.root)
    return Absent(f"{refused[0]} is not ours to make cgroups in")


def check(hierarchy: Hierarchy, limits: Limits) -> None:
    """Refuse a limit that changes what is measured and that nobody would enforce.

    A quota of all of the box's CPUs limits nothing, and a memory limit is told by a gate.

    Raises:
        RuntimeFault: a CPU quota below the number of CPUs, without the cpu controller.
    """
    if limits.cpu_quota < len(limits.cpus) and "cpu" not in hierarchy.enforces:
        why = hierarchy.why if isinstance(hierarchy, Absent) else "the cpu controller is not ours"
        ways = hierarchy.hint if isinstance(hierarchy, Absent) else "run as root"
        raise RuntimeFault(
            f"{limits.cpu_quota:g} of {len(limits.cpus)} CPUs cannot be enforced: {why}",
            hint=f"give --cpus a whole number (an affinity keeps it), or {ways}",
        )


def conditions(hierarchy: Hierarchy) -> frozenset[str]:
    """Gate codes of boxes that are limited by ``hierarchy``, native ones included."""
    codes = set() if is_host_root() else {"rootless"}
    if not hierarchy.enforces >= LIMITING:
        codes.add("unenforced")
    return frozenset(codes)


def bounds(limits: Limits) -> Bounds:
    """A box's limits as bounds of its cgroup."""
    return Bounds(limits.cpus, limits.cpu_quota, limits.memory_bytes, pids_max=limits.pids_max)


def stats(group: Group, pids: Iterable[int], disk_bytes: int) -> InstanceStats:
    """What exists because of a box whose cgroup is ``group``."""
    return InstanceStats(
        pids=tuple(pids),
        cgroup_memory_bytes=group.memory_bytes(),
        cgroup_memory_peak_bytes=group.memory_peak_bytes(),
        cgroup_cpu_ns=group.cpu_ns(),
        disk_bytes=disk_bytes,
    )


_users: Counter[str] = Counter()
_users_lock = threading.Lock()


@contextlib.contextmanager
def held(hierarchy: Hierarchy, run: str) -> Iterator[None]:
    """The run's parent directories, for the duration of a context.

    Several engines of one process share them: the last one to leave removes them.

    Raises:
        RuntimeFault: they cannot be made.
    """
    with _users_lock:
        hierarchy.prepare(run)
        _users[run] += 1
    try:
        yield
    finally:
        with _users_lock:
            _users[run] -= 1
            if not _users[run]:
                del _users[run]
                hierarchy.release(run)
