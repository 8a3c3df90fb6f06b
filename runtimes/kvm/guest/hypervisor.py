"""The QEMU process of one instance: watched by pidfd, reaped at once, killed by force.

libvirt makes QEMU a daemon, a child of process 1, and regards it as alive until process 1 has
reaped it, which takes up to two seconds where that is no real init (containers, CI runners).
``adopting`` makes this process QEMU's parent instead (PR_SET_CHILD_SUBREAPER, prctl(2)), so the
watcher reaps it in the instant in which it ends, and learns how it ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from runtimes.faults import RuntimeFault

PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37

_libc = ctypes.CDLL(None, use_errno=True)
_lock = threading.Lock()


def _prctl(option: int, value: object) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@dataclass(slots=True)
class _Adoption:
    """Who needs this process to be a subreaper, and whether it was one before."""

    users: int = 0
    before: int = 0


_adoption = _Adoption()


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Daemons started inside become children of this process, not of process 1.

    Several may be inside at once: the property is the process's, not the thread's.
    """
    with _lock:
        if _adoption.users == 0:
            before = ctypes.c_int(0)
            _prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
            _prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))
            _adoption.before = before.value
        _adoption.users += 1
    try:
        yield
    finally:
        with _lock:
            _adoption.users -= 1
            if _adoption.users == 0:
                _prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(_adoption.before))


class Hypervisor:
    """A running QEMU, or another process that libvirt starts for a guest."""

    def __init__(
        self, pid: int, on_end: Callable[[int], None] = lambda _: None, what: str = "QEMU"
    ) -> None:
        """Watch ``pid``.

        Args:
            pid: QEMU's process.
            on_end: told the instant (ns, monotonic) in which it ended, on the watcher's thread.
            what: its name in messages.

        Raises:
            RuntimeFault: it is gone already.
        """
        self.pid = pid
        self._what = f"{what} (process {pid})"
        self._on_end = on_end
        self._how = ""
        self._gone = threading.Event()
        self._open = threading.Lock()  # a signal goes to the pidfd only while it is open
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise RuntimeFault(f"{self._what} is gone: {error.strerror}") from None
        self._watcher = threading.Thread(target=self._watch, name=f"{what} {pid}", daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        poll.poll()
        self._on_end(time.monotonic_ns())
        try:
            ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        except ChildProcessError:  # a daemon's child: its parent learns how it ended
            ended = None
        if ended is not None:
            exited = ended.si_code == os.CLD_EXITED
            self._how = f"exit status {ended.si_status}" if exited else _signal(ended.si_status)
        with self._open:
            os.close(self._pidfd)
            self._gone.set()

    @property
    def how(self) -> str:
        """How it ended: ``exit status 0``, ``signal SIGKILL``; empty while it runs or unknown."""
        return self._how

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; whether it has ended."""
        return self._gone.wait(max(0.0, timeout_s))

    def kill(self) -> None:
        """End it by force and wait until it is gone.

        Raises:
            RuntimeFault: it does not die within ten seconds (stuck in the kernel).
        """
        with self._open:
            if not self._gone.is_set():
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        if not self.wait(10.0):
            raise RuntimeFault(f"{self._what} does not die", hint="see dmesg")


def _signal(number: int) -> str:
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"
