"""Weigh idle boxes: what the first one adds to the host, and what each further one does.

Three weights that do not agree, and the rest between them (design, rule 11):

PSS       every process of the box and its helpers, shared pages divided among their users;
          what the daemons grew by stands beside it, for it moves with their garbage collection
cgroup    the charge of the box's own cgroup
available how much ``MemAvailable`` of the whole host fell: kernel memory included, noise too
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessFault
from harness.host import facts
from harness.trial.box import Box, started
from harness.trial.context import Context
from results.records.records import EMULATED
from runtimes.base import Instance
from workloads.base import FootprintWork

Reading = tuple[str, int, float]

_CHARGED = re.compile(rb"^(?:Pss|Private_Hugetlb|Shared_Hugetlb):\s+(\d+) kB$", re.MULTILINE)
"""A pool's huge pages are in no PSS; a guest that is given some has all its memory there."""


@dataclass(frozen=True, slots=True)
class Weight:
    """The host at one moment."""

    pss_bytes: int
    """Boxes and their helpers."""
    daemon_bytes: int
    """PSS of the daemons that serve all boxes."""
    cgroup_bytes: int | None
    available_bytes: int
    disk_bytes: int
    processes: int
    guest_bytes: int | None = None
    """Of VMs: memory of their guests; None where there is none."""
    translation_bytes: int = 0
    """Of VMs that are emulated: translated code."""


def pss_bytes(pids: Iterable[int]) -> int:
    """Sum of the proportional set sizes of ``pids``, and their huge pages; none of what has ended.

    Source: /proc/<pid>/smaps_rollup (proc_pid_smaps(5)), 0.03-1 ms each.
    """
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += charged_bytes(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
    return total


def charged_bytes(rollup: bytes) -> int:
    """What one process is charged with, from its smaps_rollup."""
    return sum(int(found) * 1024 for found in _CHARGED.findall(rollup))


def weigh(context: Context, work: FootprintWork, box: Box) -> list[Reading]:
    """Readings of a box that is up alone, then of as many as ``work`` says.

    The first one's ``MemAvailable`` is not given: at trial level it drowns in what the host
    does anyway; the marginal one is a mean over several boxes.
    """
    profile = box.instance.spec.profile
    daemons = context.engines[box.backend].daemon_pids
    context.clock.sleep(work.settle_s)
    first = _read([box.instance], daemons())
    emulated = EMULATED in context.conditions(box.backend, profile)
    more = (work.instances_emulated if emulated else work.instances) - 1
    if more < 1:
        raise HarnessFault("a footprint needs at least two instances")
    with contextlib.ExitStack() as stack:
        boxes = [stack.enter_context(started(context, box.backend, profile)) for _ in range(more)]
        context.clock.sleep(work.settle_s)
        several = _read([box.instance, *(other.instance for other in boxes)], daemons())
    return _readings(first, several, more)


def _read(instances: Sequence[Instance], daemons: Iterable[int]) -> Weight:
    stats = [instance.stats() for instance in instances]
    charges = [each.cgroup_memory_bytes for each in stats]
    known = [charge for charge in charges if charge is not None]
    guests = [each.guest_bytes for each in stats if each.guest_bytes is not None]
    return Weight(
        pss_bytes=pss_bytes({pid for each in stats for pid in each.pids}),
        daemon_bytes=pss_bytes(daemons),
        cgroup_bytes=sum(known) if len(known) == len(charges) else None,
        available_bytes=facts.available_bytes(),
        disk_bytes=sum(each.disk_bytes for each in stats),
        processes=sum(len(each.pids) for each in stats),
        guest_bytes=sum(guests) if len(guests) == len(stats) else None,
        translation_bytes=sum(each.translation_bytes for each in stats),
    )


def _readings(first: Weight, several: Weight, more: int) -> list[Reading]:
    pss = (several.pss_bytes - first.pss_bytes) / more
    daemon = (several.daemon_bytes - first.daemon_bytes) / more
    available = (first.available_bytes - several.available_bytes) / more
    values: dict[str, float] = {
        "pss_bytes_first": float(first.pss_bytes),
        "pss_bytes_marginal": pss,
        "daemon_bytes_marginal": daemon,
        "available_bytes_marginal": available,
        "unexplained_bytes_marginal": available - pss - daemon,
        "disk_bytes_marginal": (several.disk_bytes - first.disk_bytes) / more,
        "processes_marginal": (several.processes - first.processes) / more,
    }
    if first.cgroup_bytes is not None and several.cgroup_bytes is not None:
        values["cgroup_bytes_marginal"] = (several.cgroup_bytes - first.cgroup_bytes) / more
    if first.guest_bytes is not None and several.guest_bytes is not None:
        values["guest_bytes_marginal"] = (several.guest_bytes - first.guest_bytes) / more
    if several.translation_bytes:
        grown = several.translation_bytes - first.translation_bytes
        values["translation_bytes_marginal"] = grown / more
    return [(name, 1, value) for name, value in values.items()]
