"""A container's cgroup, found from the host: what the kernel enforces, not what Docker echoes."""

from __future__ import annotations

from pathlib import Path

from runtimes.linux import cgroups
from runtimes.linux.cgroups import Group, Hierarchy
from runtimes.linux.cgroups.v1 import V1, V1Group
from runtimes.linux.cgroups.v2 import V2, V2Group

UNIFIED = ""
"""The v2 hierarchy's name in /proc/<pid>/cgroup, where controllers of v1 are named."""


def paths_of(pid: int, proc: Path = Path("/proc")) -> dict[str, str]:
    """Controller → path below its mount point (cgroups(7)); empty when the process is gone."""
    try:
        return parse((proc / str(pid) / "cgroup").read_text())
    except OSError:
        return {}


def parse(text: str) -> dict[str, str]:
    """Paths in the text of a /proc/<pid>/cgroup."""
    found = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(","):
            found[name] = path.lstrip("/")
    return found


def group(paths: dict[str, str], name: str, hierarchy: Hierarchy | None = None) -> Group | None:
    """The group at ``paths``, wherever Docker put it; ``None`` where there is no such group."""
    used = cgroups.detect() if hierarchy is None else hierarchy
    if isinstance(used, V1):
        directories = {
            controller: mount / paths[controller]
            for controller, mount in used.mounts.items()
            if controller in paths
        }
        return V1Group(directories, name) if directories else None
    if isinstance(used, V2) and UNIFIED in paths:
        return V2Group(used.root / paths[UNIFIED])
    return None


def mount_points(mountinfo: str) -> tuple[Path, ...]:
    """Every cgroup mount, named hierarchies included: Docker makes groups in all of them."""
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith(("cgroup ", "cgroup2 ")):
            found.append(Path(before.split()[4]))
    return tuple(dict.fromkeys(found))
