"""A started box's main process: what the launcher told about it, its end, its exit status."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from runtimes.launcher.faults import LaunchFault, explain
from runtimes.launcher.plan import Plan

_RECORD = struct.Struct("=IIqQ")
_PID = struct.Struct("=i")
_MARK, _FAILED, _CHILD_PID, _READY, _DONE = 1, 2, 3, 4, 5
_WHOLE_LAUNCHER = 0xFFFF_FFFF


@dataclass(slots=True)
class ChildProcess:
    """The child: our own child, held by its pidfd, so its number cannot come to mean another."""

    pid: int
    pidfd: int
    plan: Plan
    ended_ns: Mapping[int, int]
    """Step → instant (ns, monotonic) at which it had been done."""
    launched_ns: int
    """Instant at which the launcher began."""
    ready_ns: int
    """Instant at which the program had been executed (or, without an init, was about to be)."""
    visitors: list[ChildProcess] = field(default_factory=list, init=False)
    """Programs added to its PID namespace, children of ours too: the kernel lets an init go only
    when they have been reaped, so waiting for it reaps them."""
    _status: int | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def marks(self) -> dict[str, int]:
        """Stage → instant at which its last step had been done."""
        marks = {"launched": self.launched_ns}
        for index, instant in sorted(self.ended_ns.items()):
            stage = self.plan.steps[index].stage
            marks[stage] = max(instant, marks.get(stage, 0))
        marks["executed"] = self.ready_ns
        return marks

    def wait(self, timeout_s: float) -> int:
        """Exit status, 128 + signal for a killed one.

        Raises:
            TimeoutError: it is still running.
        """
        deadline = time.monotonic() + timeout_s
        while self._status is None:
            unreaped = [self, *(one for one in self.visitors if not one.ended())]
            poller = select.poll()
            for one in unreaped:
                poller.register(one.pidfd, select.POLLIN)
            ready = {fd for fd, _ in poller.poll(max(0.0, deadline - time.monotonic()) * 1000)}
            if not ready:
                raise TimeoutError(f"process {self.pid} is still running after {timeout_s:g} s")
            for one in unreaped:
                if one.pidfd in ready:
                    one.take_status()
        return self._status

    def take_status(self) -> None:
        """Reap it: it has ended."""
        with self._lock:
            if self._status is None:
                self._status = _reap(self.pidfd)
                os.close(self.pidfd)

    def ended(self) -> bool:
        """Whether it has been waited for."""
        return self._status is not None

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens where it has ended."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)


def _reap(pidfd: int) -> int:
    # P_PIDFD through waitid: no race with a reused pid.
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    if result is None or result.si_code == os.CLD_EXITED:
        return result.si_status if result else 0
    return 128 + result.si_status


@dataclass(frozen=True, slots=True)
class LauncherCallback:
    """Our part of a start, done when the launcher asks for it over a socket."""

    fd: int
    """Our end."""
    act: Callable[[int], None]
    """Called with the child's pid."""

    def answer(self) -> int:
        """Do it and let the launcher go on; the child's pid, 0 where the launcher has died."""
        records = os.read(self.fd, _PID.size)
        if len(records) < _PID.size:
            return 0
        (pid,) = _PID.unpack(records)
        self.act(pid)
        os.write(self.fd, b"\0")
        return int(pid)


class Serving(Protocol):
    """The launcher that a plan was given to."""

    def kill(self) -> None:
        """End it by force."""
        ...

    def fate(self) -> str:
        """How it ended, in words."""
        ...


@dataclass(slots=True)
class _StatusRecords:
    """Records read so far."""

    ended_ns: dict[int, int] = field(default_factory=dict)
    pid: int = 0
    launched_ns: int = 0
    ready_ns: int = 0
    done: bool = False
    failure: tuple[int, int] | None = None

    def take(self, data: bytes) -> None:
        for kind, index, value, instant in _RECORD.iter_unpack(data):
            if kind == _MARK and index == _WHOLE_LAUNCHER:
                self.launched_ns = instant
            elif kind == _MARK:
                self.ended_ns[index] = instant
            elif kind == _CHILD_PID:
                self.pid = value
            elif kind == _READY:
                self.ready_ns = instant
            elif kind == _DONE:
                self.done = True
            elif kind == _FAILED and self.failure is None:
                self.failure = (index, value)


def read_status(
    plan: Plan,
    launcher: Serving,
    status: int,
    timeout_s: float,
    callback: LauncherCallback | None = None,
) -> ChildProcess:
    """Follow a start until the program runs, or until the box is created and waits.

    Raises:
        LaunchFault: see Launcher.start.
    """
    records = _StatusRecords()
    try:
        _listen(records, status, timeout_s, callback)
        _check(plan, launcher, records)
        pidfd = os.pidfd_open(records.pid)
    except BaseException as error:
        if isinstance(error, TimeoutError):
            launcher.kill()
            error = silent(str(error))
        _undo(records.pid)
        raise error from None
    return ChildProcess(
        records.pid, pidfd, plan, records.ended_ns, records.launched_ns, records.ready_ns
    )


def read_done(plan: Plan, launcher: Serving, status: int, timeout_s: float) -> None:
    """Follow a plan without a child to its end.

    Raises:
        LaunchFault: it failed.
    """
    records = _StatusRecords()
    try:
        _listen(records, status, timeout_s)
    except TimeoutError as error:
        raise silent(str(error)) from None
    if records.failure is not None:
        raise explain(plan, *records.failure)
    if not records.done:
        raise silent(launcher.fate())


def read_start(plan: Plan, connection: int, timeout_s: float) -> None:
    """Follow a created box, to whose socket ``connection`` is, until it has executed its program.

    Raises:
        LaunchFault: it failed; its process has ended.
        TimeoutError: it has not done so yet.
    """
    records = _StatusRecords()
    _listen(records, connection, timeout_s)
    if records.failure is not None:
        raise explain(plan, *records.failure)
    if not records.ready_ns:
        raise silent("its process was killed")


def _listen(
    records: _StatusRecords, status: int, timeout_s: float, callback: LauncherCallback | None = None
) -> None:
    """Wait until nobody has anything more to tell, then take all records at once.

    The launcher closes the pipe when its part of the plan is done; the child's end closes on exec,
    or its init lets go of it.  Asked for no event, poll(2) sleeps through records and wakes at
    that end: a harness that is woken takes a CPU from the box that is being made.
    """
    poller = select.poll()
    poller.register(status, 0)
    if callback is not None:
        poller.register(callback.fd, select.POLLIN)
    ended = poller.poll(timeout_s * 1000)
    if callback is not None and any(ready == callback.fd for ready, _ in ended):
        poller.unregister(callback.fd)
        records.pid = callback.answer()
        ended = poller.poll(timeout_s * 1000)
    if not ended:
        os.set_blocking(status, False)
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(status, _RECORD.size * 256):
            records.take(piece)
    if not ended:
        raise TimeoutError(f"still starting after {timeout_s:g} s")


def _check(plan: Plan, launcher: Serving, records: _StatusRecords) -> None:
    if records.failure is not None:
        raise explain(plan, *records.failure)
    if not records.ready_ns or not records.pid:
        raise silent(_last_words(records.pid) or launcher.fate())


def _last_words(pid: int) -> str:
    """How the child ended, which nobody else holds the pipe for; nothing where there was none."""
    if not pid:
        return ""
    try:
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return ""
    if end is None or end.si_code == os.CLD_EXITED:
        return f"its process ended with status {end.si_status if end else 0}, without a word"
    return f"its process was killed by {signal.Signals(end.si_status).name}"


def silent(why: str) -> LaunchFault:
    """A fault of the launcher itself."""
    hint = "was it killed?  see dmesg for the OOM killer"
    return LaunchFault(f"start of the box: {why}", operation=None, code=0, hint=hint)


def _undo(pid: int) -> None:
    """End the child of a failed start."""
    if pid:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
