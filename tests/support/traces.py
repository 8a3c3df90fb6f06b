"""What one run has on this host: nothing, once it has ended or was cleaned up."""

from __future__ import annotations

from pathlib import Path

from harness.directories import places
from runtimes.conventions import CGROUP_PARENT


def of_run(run: str) -> set[str]:
    """Processes, mounts, cgroups, namespaces, interfaces and state that carry ``run``'s id."""
    return {
        *_processes(run),
        *_mounts(run),
        *_cgroups(run),
        *(str(path) for path in Path("/run/netns").glob(f"tb-{run}-*")),
        *(str(path) for path in Path("/sys/class/net").glob(f"tb{run}*")),
        *(str(path) for path in places().state.glob(f"{run}*")),
        *(str(path) for path in Path("/run").glob(f"tb-{run}*")),
    }


def _processes(run: str) -> set[str]:
    found = set()
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            line = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            groups = (directory / "cgroup").read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            continue
        if f"tb-{run}" in line or f"/{run}/" in line or f"{CGROUP_PARENT}/{run}" in groups:
            found.add(f"process {directory.name}: {line[:200]}")
    return found


def _mounts(run: str) -> set[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return {f"mount {line}" for line in lines if run in line}


def _cgroups(run: str) -> set[str]:
    root = Path("/sys/fs/cgroup")
    places_to_look = [root, *root.iterdir()]
    return {str(path) for each in places_to_look for path in (each / CGROUP_PARENT).glob(run)}
