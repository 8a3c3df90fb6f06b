"""Which runs go on: each holds its short id, and one more name while it measures.

Two that measure at once would disturb each other.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator

from harness.errors import BusyFault
from runtimes.alive import address, claim, is_alive

__all__ = ["MEASURING", "alive", "is_alive", "measuring"]

MEASURING = "measuring"


@contextlib.contextmanager
def alive(run: str) -> Iterator[None]:
    """Be known as the living owner of ``run``.

    Raises:
        BusyFault: another process is.
    """
    holder = claim(run)
    if holder is None:
        raise BusyFault(f"run {run} is going on in another process")
    with holder:
        yield


@contextlib.contextmanager
def measuring(*, wait: bool, told: Callable[[str], None]) -> Iterator[None]:
    """Be the only run that measures on this host.

    Args:
        wait: wait for another one to end (by its socket's end, not by polling).
        told: called with a sentence when there is something to wait for.

    Raises:
        BusyFault: another one measures, and ``wait`` is false.
    """
    holder = claim(MEASURING)
    while holder is None:
        owner = _owner()
        if not wait:
            raise BusyFault(
                f"another run is measuring on this host{owner}",
                hint="two at once would disturb each other; wait for it, or add --wait",
            )
        told(f"waiting for the run that is measuring on this host{owner}")
        _until_released()
        holder = claim(MEASURING)
    with holder:
        yield


def _owner() -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address(MEASURING))
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError:
            return ""
    pid = int.from_bytes(credentials[:4], sys.byteorder)
    return f" (process {pid})"


def _until_released() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiter:
        try:
            waiter.connect(address(MEASURING))
            waiter.recv(1)  # the owner never writes: this returns when it is gone
        except OSError:
            return
