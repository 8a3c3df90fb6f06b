"""A plain user's own part of cgroup v2: what systemd delegates, or somebody has given by chown.

Source: systemd's CGROUP_DELEGATION.md and cgroup-v2.rst, "Delegation": the user owns the directory
and its ``cgroup.procs`` and ``cgroup.subtree_control``, moves processes within it only, and hands
down those controllers that came to it.  A cgroup that does so has no process of its own, so the
harness goes into a leaf beside its boxes, and back once the last of them has gone.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux.cgroups import base, v2
from runtimes.linux.cgroups.specs import Bounds, Creation
from runtimes.linux.cgroups.v2 import V2
from runtimes.linux.cgroups.without import Absent
from runtimes.linux.proc import parent

LEAF = "tarebench-harness"
OWN = Path("/proc/self/cgroup")
_ASK = (
    "run as root, or, where systemd delegates to you: systemd-run --user --scope -p Delegate=yes "
    "COMMAND"
)
_FILES = ("cgroup.procs", "cgroup.subtree_control")
_TOLD = 8


def find(mount: Path, own: str | None = None) -> Delegated | Absent:
    """The subtree that this process is in and may use, or why there is none; changes nothing.

    Args:
        mount: where the unified hierarchy is mounted.
        own: text of /proc/self/cgroup; this process's by default.
    """
    path = _own_path(OWN.read_text() if own is None else own)
    top = mount / path.lstrip("/")
    if top.name == LEAF:
        top = top.parent
    if not path or ".." in path.split("/") or not top.is_dir():
        return Absent(f"our own cgroup ({path or 'none'}) is not to be seen below {mount}", _ASK)
    if not _is_ours(top):
        return Absent(f"our own cgroup {top} is not delegated to this user", _ASK)
    found = Delegated(top)
    if not found.enforces & set(v2.USED):
        return Absent(
            f"no controller is handed down to our own cgroup {top}",
            "as root: Delegate=cpu cpuset io memory pids in user@.service, then log in again",
        )
    others = [pid for pid in base.processes(top) if not _descends(pid, os.getpid())]
    if others:
        listed = ", ".join(map(str, others[:_TOLD]))
        return Absent(
            f"our own cgroup {top} has other processes in it ({listed}), and one that hands "
            "controllers down may have none",
            _ASK,
        )
    return found


def _own_path(text: str) -> str:
    for line in text.splitlines():
        if line.startswith("0::"):
            return line[3:].removesuffix(" (deleted)")
    return ""


def _is_ours(top: Path) -> bool:
    mine = os.access(top, os.W_OK | os.X_OK, effective_ids=True)
    return mine and all(os.access(top / name, os.W_OK, effective_ids=True) for name in _FILES)


def _descends(pid: int, ancestor: int) -> bool:
    """Whether it is ``ancestor`` or a process that this has started, however indirectly."""
    while pid > 1 and pid != ancestor:
        pid = parent(pid)
    return pid == ancestor


@dataclass(frozen=True, slots=True)
class Delegated(V2):
    """As the whole hierarchy, below the user's own cgroup and with its controllers only.

    CPUs are kept by affinity where ``cpuset`` did not come to us.
    """

    version: str = "v2, delegated"

    def prepare_path(self, path: str) -> None:
        """See Hierarchy."""
        _move(self.root, self.root / LEAF)
        self.hand_down(path)

    def creation_at(self, below: str, bounds: Bounds, *, whole: bool = False) -> Creation:
        """See Hierarchy."""
        kept = self.enforces
        wanted = kept if bounds.controllers is None else bounds.controllers & kept
        made = V2.creation_at(self, below, replace(bounds, controllers=wanted), whole=whole)
        return replace(made, affinity=() if "cpuset" in kept else bounds.cpus)

    def release_path(self, path: str) -> None:
        """See Hierarchy.  After the last one we are where we were, and nothing of ours is left."""
        V2.release_path(self, path)
        leaf = self.root / LEAF
        if base.children(self.root) != [leaf]:
            return
        control = self.root / _FILES[1]
        with contextlib.suppress(RuntimeFault):  # another harness is in the leaf too
            for name in base.read(control).split():
                base.write(control, f"-{name}")
            _move(leaf, self.root)
            base.remove_directory(leaf)


def _move(source: Path, target: Path) -> None:
    """Move us and all that we have started from one cgroup to another.

    Raises:
        RuntimeFault: the target cannot be made, or we may not move there.
    """
    if source.name != LEAF:
        base.make_directory(target, may_exist=True)
    for pid in base.processes(source):
        if not _descends(pid, os.getpid()):
            continue
        try:
            base.write(target / _FILES[0], str(pid))
        except RuntimeFault:
            if Path(f"/proc/{pid}").exists():  # else it ended meanwhile
                raise
