"""CPUs that tuning keeps free for boxes, which this process therefore does not see as its own."""

from __future__ import annotations

import contextlib
import os

from harness.errors import HarnessFault
from harness.host.tuning.kernel_files import Tree
from harness.host.tuning.undo import UndoFile
from runtimes.linux.cpu_list import parse_cpus

BOOT_ID = "/proc/sys/kernel/random/boot_id"
EFFECTIVE = "/sys/fs/cgroup/cpuset.cpus.effective"


def boot_id(tree: Tree) -> str:
    """Differs after every boot of the host."""
    return tree.read(BOOT_ID) or ""


def usable_cpus(
    file: UndoFile | None = None, tree: Tree | None = None, mine: frozenset[int] | None = None
) -> frozenset[int]:
    """CPUs for harness, peer and boxes together.

    Those of this process; after ``invoke doctor --tune`` also those that it took from everything
    but boxes: what runs in a cgroup of ours may be on them.
    """
    file, tree = file or UndoFile(), tree or Tree()
    own = frozenset(os.sched_getaffinity(0)) if mine is None else mine
    with contextlib.suppress(HarnessFault, ValueError):
        undo = file.load()
        if undo is not None and undo.boot_id == boot_id(tree):
            isolated = any(each.path.endswith("/cpuset.cpus") for each in undo.originals)
            if isolated:
                return own | frozenset(parse_cpus(tree.read(EFFECTIVE) or ""))
    return own
