"""What the kernel counts while we measure: stolen time, and other processes' by name."""

from __future__ import annotations

import os
from collections.abc import Callable

from harness.doctor.steadiness.recording import Load
from harness.host.pressure import counters, others
from harness.host.pressure.counters import Counters
from results.gating.observations import TICK_S

Snapshot = Callable[[], others.Snapshot]


def begun(now_ns: Callable[[], int]) -> Callable[[], Load]:
    """Look now; what is returned looks again, and tells."""
    known: set[int] = set()
    before, first = others.snapshot(known), counters.take(now_ns(), "")
    return lambda: between(
        before, others.snapshot(known), first, counters.take(now_ns(), ""), me=os.getpid()
    )


def between(
    before: others.Snapshot, after: others.Snapshot, first: Counters, last: Counters, *, me: int
) -> Load:
    """What two looks tell.

    Args:
        before: processes at the first look.
        after: processes at the last.
        first: counters at the first.
        last: counters at the last.
        me: our process; what descends from it is ours.
    """
    seconds = max(1, last.at_ns - first.at_ns) / 1e9
    ticks = max(1, last.total_ticks - first.total_ticks)
    stolen = max(0, last.steal_ticks - first.steal_ticks - 1)  # one tick stands for nothing
    found = others.between(before, after, {me}, me)
    return Load(
        seconds=seconds,
        steal=stolen / ticks,
        other_cpus=found.ticks * TICK_S / seconds,
        neighbours={
            name: spent * TICK_S / seconds
            for name, spent in zip(found.names, found.ticks_of, strict=True)
        },
    )
