"""What ``native`` and ``ns`` stand on: namespaces, and cgroups where this user may make some."""

from __future__ import annotations

import os
from pathlib import Path

from runtimes.base import Availability
from runtimes.linux import cgroups
from runtimes.linux.ids import entering, obstacles
from runtimes.linux.ids.rights import Rights, held

_KINDS = ("user", "pid", "mnt", "net", "uts", "ipc", "cgroup")


def availability() -> Availability:
    """Whether boxes can be made here, by whom, and what they will lack."""
    missing = [kind for kind in _KINDS if not Path("/proc/self/ns", kind).exists()]
    if missing:
        return Availability(ok=False, reason=f"the kernel lacks namespaces: {', '.join(missing)}")
    kernel = f"Linux {os.uname().release}"
    rights = held()
    if rights is Rights.USER:
        obstacle = obstacles.found()
        if obstacle is not None:
            return Availability(
                ok=False, reason=f"not root, and {obstacle.reason}", fix=obstacle.fix
            )
    hierarchy = cgroups.usable()
    if rights is not Rights.HOST_ROOT:
        kernel = f"without root, in a user namespace with {_ids(rights)}; {kernel}"
    if isinstance(hierarchy, cgroups.Absent):
        why = f"no cgroup ({hierarchy.why}): CPUs kept by affinity, memory not limited"
        return Availability(ok=True, reason=f"{kernel}, {why}", fix=hierarchy.hint)
    return Availability(ok=True, reason=f"{kernel}, cgroups {hierarchy.version}")


def _ids(rights: Rights) -> str:
    if rights is Rights.USER:
        wanted = entering.wanted()
        return f"one id: {wanted.why_single}" if wanted.single else "subordinate ids"
    return "ids of its own"
