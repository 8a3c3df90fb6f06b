"""Take away what daemons and containers of a run left on the host, however they ended."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from runtimes import process
from runtimes.conventions import LABEL
from runtimes.docker import cgroup, layout
from runtimes.faults import RuntimeFault
from runtimes.linux import proc, trees
from runtimes.linux.cgroups.base import processes, tree

DAEMON_PATIENCE_S = 20.0
"""dockerd waits 15 s for its containers before it kills them."""
_CGROUP_TRIES = 50
_CGROUP_PAUSE_S = 0.02
"""A cgroup stays busy for an instant after its last process has ended; no event tells."""

# The order of the end: the daemon, which ends containers in order, then what it left.  The first
# two are the daemons themselves, an instant before they become what they are started as.
_SHIM = "containerd-shim-runc-v2"
_PROGRAMS = ("nsenter", "unshare", "dockerd", "containerd", _SHIM)

SHIM_SOCKETS = Path("/run/containerd/s")
_PLUGINS = Path("/run/docker/plugins")


def private_daemon(run: str, *, run_goes_on: bool = False) -> list[str]:
    """End the private daemon of ``run`` and all that hangs on it; one line per thing removed.

    ``run_goes_on`` spares the run's own cgroup directories: other backends' boxes are made there.
    """
    directory = layout.runtime_directory(run)
    removed = [line for name in _PROGRAMS for line in _end(name, directory)]
    removed += _end_members(run)
    removed += unmount_below(directory)
    removed += _remove_cgroups(run, parents=not run_goes_on)
    if not run_goes_on:
        _remove_fixed_directories()
    if directory.exists():
        trees.remove(directory, ignore_errors=True)
        removed.append(f"directory {directory}")
    return removed


def belongs(directory: Path) -> Callable[[proc.Arguments], bool]:
    """Whether a command line names something in ``directory``: what makes a daemon ours."""
    inside = f"{directory}/"
    return lambda argv: any(inside in word for word in argv)


def _end(name: str, directory: Path) -> list[str]:
    ours = belongs(directory)

    def ours_by_name(argv: proc.Arguments) -> bool:
        return proc.program(argv) == name and ours(argv)

    is_shim = name == _SHIM
    removed = []
    for pid in proc.matching(ours_by_name):
        argv = proc.arguments(pid)
        if proc.end(pid, ours_by_name, patience_s=0.0 if is_shim else DAEMON_PATIENCE_S):
            removed.append(f"process {pid} ({name})")
        if is_shim:
            shim_socket(argv).unlink(missing_ok=True)
    return removed


def shim_socket(argv: proc.Arguments) -> Path:
    """The socket of a shim, at a place that containerd does not let one choose.

    Its name is made from containerd's address, namespace and container (containerd's
    ``runtime/v2/shim/util_unix.go``); a shim that is killed leaves it behind.
    """
    named = (proc.option(argv, word) for word in ("-address", "-namespace", "-id"))
    return SHIM_SOCKETS / hashlib.sha256("/".join(named).encode()).hexdigest()


def _cgroup_tops(run: str) -> list[Path]:
    mounts = cgroup.mount_points(Path("/proc/self/mountinfo").read_text())
    relative = layout.cgroup_parent(run).lstrip("/")
    tops = (mount / relative for mount in mounts)
    return [top for top in tops if top.is_dir()]


def _end_members(run: str) -> list[str]:
    """Kill what is still in the containers' cgroups: their shim is gone, nobody else will."""
    directories = [directory for top in _cgroup_tops(run) for directory in tree(top)]
    members = {pid for directory in directories for pid in processes(directory)}
    return [
        f"process {pid} (container)"
        for pid in sorted(members)
        if proc.end(pid, lambda _: True, patience_s=0.0)
    ]


def unmount_below(directory: Path) -> list[str]:
    """Unmount everything below ``directory``, the deepest first."""
    inside = f"{directory}/"
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].replace("\\040", " ")
        if point.startswith(inside):
            points.append(point)
    for point in reversed(points):
        with contextlib.suppress(RuntimeFault):
            process.run(["umount", "--lazy", point], timeout_s=10)
    return [f"mount {point}" for point in reversed(points)]


def _remove_cgroups(run: str, *, parents: bool) -> list[str]:
    removed = []
    for top in _cgroup_tops(run):
        for directory in tree(top):
            _remove_cgroup(directory)
        if parents:
            # They are other backends' and other runs' too: they go only when nothing is in them.
            with contextlib.suppress(OSError):
                top.parent.rmdir()
                top.parent.parent.rmdir()
        if not top.exists():
            removed.append(f"cgroup {top}")
    return removed


def _remove_cgroup(directory: Path) -> None:
    for _ in range(_CGROUP_TRIES):
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(_CGROUP_PAUSE_S)
        else:
            return


def _remove_fixed_directories() -> None:
    """Remove what any containerd and dockerd make at fixed places, unless another one uses it."""
    for directory in (SHIM_SOCKETS, _PLUGINS):
        with contextlib.suppress(OSError):
            if [entry.name for entry in directory.parent.iterdir()] == [directory.name]:
                directory.rmdir()
                directory.parent.rmdir()


def label_filter(run: str) -> dict[str, str]:
    """Filter for exactly what carries the label of ``run``."""
    if not run:
        raise ValueError("an empty run would match every run's objects")
    return {"label": f"{LABEL}={run}"}
