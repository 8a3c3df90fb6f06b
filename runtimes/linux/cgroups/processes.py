"""Processes of one box: where they run; their end, known by events (pidfds), no polling loops."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable

from runtimes.faults import RuntimeFault
from runtimes.linux import proc


def affinity(pids: Iterable[int]) -> tuple[int, ...] | None:
    """CPUs on which any of the processes may run; ``None`` where there is none of them."""
    cpus: set[int] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            cpus |= os.sched_getaffinity(pid)
    return tuple(sorted(cpus)) or None


def kill_all(members: Callable[[], tuple[int, ...]], timeout_s: float, what: str) -> None:
    """SIGKILL whatever ``members`` names until it names nothing; wait for each end.

    The caller keeps the members from forking meanwhile (freezer) or accepts further rounds.

    Raises:
        RuntimeFault: some are still there after ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while alive := tuple(pid for pid in members() if pid != os.getpid()):
        with contextlib.ExitStack() as stack:
            ends = [fd for fd in (_killed(pid, stack) for pid in alive) if fd is not None]
            _await(ends, deadline, what)
        if time.monotonic() > deadline:
            raise _late(what, alive)


def _killed(pid: int, stack: contextlib.ExitStack) -> int | None:
    descriptor = proc.open_pid(pid)
    if descriptor is not None:
        stack.callback(os.close, descriptor)
        proc.send(descriptor, signal.SIGKILL)
    return descriptor


def _await(ends: list[int], deadline: float, what: str) -> None:
    for descriptor in ends:
        if not proc.ended(descriptor, deadline - time.monotonic()):
            raise _late(what, ())


def _late(what: str, members: tuple[int, ...]) -> RuntimeFault:
    listed = ", ".join(map(str, members[:8]))
    return RuntimeFault(
        f"processes of {what} outlive SIGKILL" + (f": {listed}" if listed else ""),
        hint="a process in uninterruptible sleep waits for I/O: see /proc/PID/stack",
    )
