"""inotify(7), as far as we need it: to be told that a file was written to."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from runtimes.faults import RuntimeFault

IN_MODIFY = 0x2
EVENTS_BYTES = 65536

_libc = ctypes.CDLL(None, use_errno=True)


def watch(path: Path) -> int:
    """A descriptor that becomes readable when ``path``, or a file in it, is written to.

    Raises:
        RuntimeFault: it cannot be watched.
    """
    descriptor = int(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    if descriptor < 0:
        raise RuntimeFault(f"no inotify: {os.strerror(ctypes.get_errno())}")
    if _libc.inotify_add_watch(descriptor, os.fsencode(path), IN_MODIFY) < 0:
        code = ctypes.get_errno()
        os.close(descriptor)
        raise RuntimeFault(f"cannot watch {path}: {os.strerror(code)}")
    return descriptor
