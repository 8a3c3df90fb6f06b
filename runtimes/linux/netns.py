"""Enter a network namespace for the calling thread, or do one thing inside one.

``setns`` moves only the calling thread, so a thread that enters never comes back: it is made
for the purpose and ends.  Python has ``os.setns`` from 3.12; ctypes serves 3.11 as well.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from runtimes.faults import RuntimeFault

CLONE_NEWNET = 0x40000000

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace: Path) -> None:
    """Move the calling thread into ``namespace``.

    Raises:
        RuntimeFault: the file is no network namespace, or we lack the right.
    """
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise RuntimeFault(
                f"enter network namespace {namespace}: {os.strerror(code)}",
                hint="root (CAP_SYS_ADMIN) is needed",
            )
    finally:
        os.close(descriptor)


def inside(namespace: Path, action: Callable[[], T]) -> T:
    """Run ``action`` in a thread inside ``namespace`` and return what it returns.

    A socket made inside stays in that namespace and may be used from any thread.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            enter(namespace)
            outcome.append(action())
        except BaseException as error:  # noqa: BLE001  # re-raised in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=body, name=f"in {namespace.name}")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
