"""The harness on its own CPUs while it measures, so that it does not disturb the box."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

Move = Callable[[int, Collection[int]], None]


def threads() -> list[int]:
    """Every thread of this process."""
    return [int(entry.name) for entry in Path("/proc/self/task").iterdir()]


@contextlib.contextmanager
def pinned(
    cpus: Collection[int],
    listed: Callable[[], list[int]] = threads,
    move: Move = os.sched_setaffinity,
) -> Iterator[frozenset[int]]:
    """Keep all threads of this process, and those begun meanwhile, on ``cpus``.

    What it starts inherits that, and is moved to its own CPUs by its cgroup: the kernel puts the
    CPU set of a cgroup above an affinity that shares no CPU with it.

    Yields the CPUs on which we now are: where the kernel refuses, those on which we were.
    """
    before = {thread: os.sched_getaffinity(thread) for thread in listed()}
    try:
        for thread in before:
            with contextlib.suppress(ProcessLookupError):
                move(thread, cpus)
    except OSError:  # a CPU set around us forbids it
        pass
    try:
        yield frozenset(os.sched_getaffinity(0))
    finally:
        for thread in listed():
            with contextlib.suppress(OSError):
                move(thread, before.get(thread) or before[min(before)])
