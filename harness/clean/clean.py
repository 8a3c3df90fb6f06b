"""Remove what killed runs left on this host, and nothing else.

A run is found by its state directory, its network namespaces, its interface or its cgroups; it is
dead when nobody holds its lock.  Each runtime then removes what is its own.  Containers made by
hand with the OCI command line belong to no run: those that have ended are removed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

from harness.clean import layer_store
from harness.host import lock
from harness.prepare.testbed import NETNS_DIRECTORY, remove_testbed
from runtimes.base import Runtime
from runtimes.conventions import CGROUP_PARENT
from runtimes.linux import trees
from runtimes.linux.disk import project
from runtimes.linux.ids.rights import is_host_root

GROUP = "tarebench.leftovers"
"""Entry points that remove what belongs to no run: called with the state directory, they return a
line for each thing removed."""

_RUN = re.compile(r"[0-9a-f]{6}")
_CGROUP_ROOT = Path("/sys/fs/cgroup")


def traces(state: Path) -> set[str]:
    """Short ids of every run that has something on this host, alive or dead.

    A plain user's have nothing outside of their state: what they made went with their processes.
    """
    names = {entry.name for entry in _entries(state)}
    if not is_host_root():
        return {name for name in names if _RUN.fullmatch(name)}
    names |= {
        match[1]
        for entry in _entries(NETNS_DIRECTORY)
        if (match := re.fullmatch(r"tb-([0-9a-f]{6})-(?:host|peer)", entry.name))
    }
    names |= {
        match[1]
        for entry in _entries(Path("/sys/class/net"))
        if (match := re.fullmatch(r"tb([0-9a-f]{6})r", entry.name))
    }
    for mount in [_CGROUP_ROOT, *_entries(_CGROUP_ROOT)]:
        names |= {entry.name for entry in _entries(mount / CGROUP_PARENT)}
    return {name for name in names if _RUN.fullmatch(name)}


def clean_run(run: str, state: Path, runtimes: Mapping[str, Runtime]) -> list[str]:
    """Remove everything of one dead run; a line for each thing removed."""
    removed: list[str] = []
    project.forget_below(state / run)
    for name, runtime in runtimes.items():
        removed += runtime.clean(state / run / name, run)
    removed += remove_testbed(run)
    directory = state / run
    if directory.exists():
        trees.remove(directory)
        removed.append(f"state of run {run}")
    with contextlib.suppress(OSError):  # missing, or another run lives in it
        state.rmdir()
    return removed


def clean_all(state: Path, runtimes: Mapping[str, Runtime]) -> list[str]:
    """Remove what every dead run left; living ones are named and left alone."""
    removed: list[str] = []
    for run in sorted(traces(state)):
        if lock.is_alive(run):
            removed.append(f"run {run} is going on: left alone")
            continue
        removed += clean_run(run, state, runtimes)
    for point in entry_points(group=GROUP):
        removed += point.load()(state)
    return removed


def clean_cache(cache: Path) -> list[str]:
    """Remove what is kept between runs; the next run builds it again.

    Raises:
        BusyFault: a run is using it.
    """
    with lock.measuring(wait=False, told=lambda _: None):
        removed = []
        for entry in _entries(cache):
            if entry == layer_store.home(cache) and (runs := layer_store.in_use(cache)):
                removed.append(f"{entry} is in use by run {', '.join(runs)}: left alone")
                continue
            if entry.is_dir() and not entry.is_symlink():
                trees.remove(entry)
            else:
                entry.unlink()
            removed.append(f"cache {entry}")
        return removed


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []
