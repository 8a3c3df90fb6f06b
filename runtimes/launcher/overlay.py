"""How many layers this kernel stacks: asked, not assumed."""

from __future__ import annotations

import ctypes
import functools
import os

KNOWN = 500
"""OVL_MAX_STACK in fs/overlayfs, since Linux 4.0: for kernels that cannot be asked."""

_FSOPEN, _FSCONFIG, _CLOEXEC, _SET_STRING = 430, 431, 1, 1
_BEYOND = 1 << 16
_libc = ctypes.CDLL(None, use_errno=True)


@functools.cache
def deepest() -> int:
    """Lower layers that one overlay may have.

    An overlay that is never made is given layers one by one (Linux 6.7) until it takes no more.
    Kernels before 6.5 look at options only when it is made: they take any word, and that tells
    nothing.
    """
    return KNOWN if _accepted(b"no-such-option", 1) else _accepted(b"lowerdir+", _BEYOND) or KNOWN


def _accepted(key: bytes, most: int) -> int:
    """How often, up to ``most`` times, an overlay that is not made takes an option."""
    context = _libc.syscall(ctypes.c_long(_FSOPEN), b"overlay", ctypes.c_uint(_CLOEXEC))
    if context < 0:
        return 0
    try:
        taken = 0
        while taken < most and _set(context, key):
            taken += 1
        return taken
    finally:
        os.close(context)


def _set(context: int, key: bytes) -> bool:
    done: int = _libc.syscall(
        ctypes.c_long(_FSCONFIG),
        ctypes.c_int(context),
        ctypes.c_uint(_SET_STRING),
        key,
        b"/",
        ctypes.c_int(0),
    )
    return done == 0
