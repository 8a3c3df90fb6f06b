"""Who is alive: locks that the kernel releases when their owner dies, and that leave no file.

An abstract Unix socket (unix(7)) exists as long as its owner does.  Each run holds one by its
short id, so that ``invoke clean`` knows a living run from a dead one; a run that measures holds
one more, since two that measure at once disturb each other.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import Callable, Iterator

from harness.errors import BusyFault

MEASURING = "measuring"


def _address(name: str) -> str:
    return f"\0tarebench/{name}"


def _claim(name: str) -> socket.socket | None:
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        holder.bind(_address(name))
        holder.listen(16)
    except OSError as error:
        holder.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return holder


@contextlib.contextmanager
def alive(run: str) -> Iterator[None]:
    """Be known as the living owner of ``run``.

    Raises:
        BusyFault: another process is.
    """
    holder = _claim(run)
    if holder is None:
        raise BusyFault(f"run {run} is going on in another process")
    with holder:
        yield


def is_alive(run: str) -> bool:
    """Whether some process holds ``run``."""
    holder = _claim(run)
    if holder is None:
        return True
    holder.close()
    return False


@contextlib.contextmanager
def measuring(*, wait: bool, told: Callable[[str], None]) -> Iterator[None]:
    """Be the only run that measures on this host.

    Args:
        wait: wait for another one to end (by its socket's end, not by polling).
        told: called with a sentence when there is something to wait for.

    Raises:
        BusyFault: another one measures, and ``wait`` is false.
    """
    holder = _claim(MEASURING)
    while holder is None:
        owner = _owner()
        if not wait:
            raise BusyFault(
                f"another run is measuring on this host{owner}",
                hint="two at once would disturb each other; wait for it, or add --wait",
            )
        told(f"waiting for the run that is measuring on this host{owner}")
        _until_released()
        holder = _claim(MEASURING)
    with holder:
        yield


def _owner() -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(_address(MEASURING))
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError:
            return ""
    pid = int.from_bytes(credentials[:4], sys.byteorder)
    return f" (process {pid})"


def _until_released() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiter:
        try:
            waiter.connect(_address(MEASURING))
            waiter.recv(1)  # the owner never writes: this returns when it is gone
        except OSError:
            return
