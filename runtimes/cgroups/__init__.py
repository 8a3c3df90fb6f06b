"""cgroups v1, v2 and hybrid behind one small protocol: limits, accounting, killing, removal."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from runtimes.base import InstanceStats, Limits, RuntimeFault
from runtimes.cgroups import v1, v2
from runtimes.cgroups.base import Group, Hierarchy, create
from runtimes.cgroups.mounts import parse
from runtimes.cgroups.specs import Account, Bounds, Creation, DeviceRule, IoLimit

__all__ = [
    "Account",
    "Bounds",
    "Creation",
    "DeviceRule",
    "Group",
    "Hierarchy",
    "IoLimit",
    "bounds",
    "create",
    "detect",
    "held",
    "stats",
]

MOUNTINFO = Path("/proc/self/mountinfo")


def detect(mountinfo: str | None = None) -> Hierarchy:
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


def bounds(limits: Limits) -> Bounds:
    """A box's limits as bounds of its cgroup."""
    return Bounds(limits.cpus, limits.cpu_quota, limits.memory_bytes)


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
