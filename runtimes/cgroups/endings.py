"""Kill processes and know by events when they are gone: pidfds, no polling loops."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable

from runtimes.base import RuntimeFault


def kill_all(pids: Callable[[], tuple[int, ...]], timeout_s: float, what: str) -> None:
    """SIGKILL whatever ``pids`` names until it names nothing; wait for each end.

    The caller keeps the members from forking meanwhile (freezer) or accepts further rounds.

    Raises:
        RuntimeFault: some are still there after ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while members := tuple(pid for pid in pids() if pid != os.getpid()):
        with contextlib.ExitStack() as stack:
            ends = [fd for fd in (_killed(pid, stack) for pid in members) if fd is not None]
            _await(ends, deadline, what)
        if time.monotonic() > deadline:
            raise _late(what, members)


def _killed(pid: int, stack: contextlib.ExitStack) -> int | None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    stack.callback(os.close, descriptor)
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    return descriptor


def _await(ends: list[int], deadline: float, what: str) -> None:
    for descriptor in ends:
        if not readable(descriptor, deadline - time.monotonic()):
            raise _late(what, ())


def _late(what: str, members: tuple[int, ...]) -> RuntimeFault:
    listed = ", ".join(map(str, members[:8]))
    return RuntimeFault(
        f"processes of {what} outlive SIGKILL" + (f": {listed}" if listed else ""),
        hint="a process in uninterruptible sleep waits for I/O: see /proc/PID/stack",
    )


def readable(descriptor: int, timeout_s: float, events: int = select.POLLIN) -> bool:
    """Whether ``descriptor`` becomes ready within ``timeout_s``."""
    poller = select.poll()
    poller.register(descriptor, events)
    return bool(poller.poll(max(0.0, timeout_s) * 1000))
