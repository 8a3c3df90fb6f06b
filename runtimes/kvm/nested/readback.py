"""What a guest's init says of its inner box on the console.  Pure; the text may hold anything."""

from __future__ import annotations

import re
from typing import TypeVar

from runtimes.kvm.nested.plans import Requests, plan_number
from runtimes.launcher.faults import LaunchFault, explain
from runtimes.linux.cpu_list import parse_cpus
from runtimes.resources import Limits, LimitsRead

ENGINE = b"tarebench-init: engine ready"
CONTAINED = b"tarebench-init: box took"
LIMITS = b"tarebench-init: box has"

_LIMITS = re.compile(
    r"tarebench-init: box has cpus=([0-9,-]{1,63}) quota=(max|\d{1,12}) (\d{1,12}) "
    r"memory=(max|\d{1,19});"
)
_FAILED = re.compile(r"tarebench-init: plan (\d{1,3}) failed at step (\d{1,10}) with (\d{1,5})\b")

_Number = TypeVar("_Number", int, float)


def limits(console: str) -> LimitsRead | None:
    """The inner box's limits, its CPUs as the guest numbers them; ``None`` where none are told."""
    found = _LIMITS.search(console)
    if found is None:
        return None
    quota, period, memory = found[2], int(found[3]), found[4]
    return LimitsRead(
        cpus=_cpus(found[1]),
        cpu_quota=int(quota) / period if quota != "max" and period else None,
        memory_bytes=int(memory) if memory != "max" else None,
    )


def _cpus(text: str) -> tuple[int, ...] | None:
    try:
        return parse_cpus(text)
    except ValueError:
        return None


def narrowed(outer: LimitsRead, inner: LimitsRead, planned: Limits) -> LimitsRead:
    """What binds a box that has ``inner`` limits in a guest with ``outer`` ones.

    The guest's n-th CPU is the n-th that was planned.  The least of each binds; a limit that the
    inner box lacks is none, though the guest has one: it is the guest's own processes' too.
    """
    host = dict(enumerate(planned.cpus))
    cpus = None if inner.cpus is None else tuple(host.get(cpu, cpu) for cpu in inner.cpus)
    return LimitsRead(
        cpus=cpus if outer.cpus is None or cpus is None else _common(outer.cpus, cpus),
        cpu_quota=_least(outer.cpu_quota, inner.cpu_quota),
        memory_bytes=_least(outer.memory_bytes, inner.memory_bytes),
        pids_max=outer.pids_max,
        disk_bytes=outer.disk_bytes,
    )


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(one) & set(other)))


def _least(outer: _Number | None, inner: _Number | None) -> _Number | None:
    return None if inner is None or outer is None else min(outer, inner)


def failure(console: str, asked: Requests) -> LaunchFault | None:
    """Why the inner box could not be made, if init said so."""
    found = _FAILED.search(console)
    plan = None if found is None else plan_number(asked, int(found[1]))
    return None if found is None or plan is None else explain(plan, int(found[2]), int(found[3]))
