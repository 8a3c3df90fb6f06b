"""openat2(2): the kernel itself refuses to leave a directory or to follow a link.

Python has no wrapper.  The number is the same on every architecture since Linux 5.6.
"""

from __future__ import annotations

import ctypes
import errno
import os

from runtimes.faults import RuntimeFault

_NUMBER = 437
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

STRICT = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH
"""Below the directory, through real directories of the same file system only."""

ROOTED = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
"""As a process whose root the directory is would find it: links are followed, none leads out."""


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def openat2(directory: int, path: str, flags: int, resolve: int = STRICT) -> int:
    """A descriptor of ``path`` below the open ``directory``; closed on exec.

    Raises:
        OSError: as open(2); ``ELOOP`` where a link would have to be followed, ``EXDEV`` where
            the path leads out.
        RuntimeFault: the kernel is older than 5.6.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    raw = os.fsencode(path or ".")
    if b"\0" in raw:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    while True:
        opened: int = _libc.syscall(
            ctypes.c_long(_NUMBER),
            ctypes.c_int(directory),
            ctypes.c_char_p(raw),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if opened >= 0:
            return opened
        code = ctypes.get_errno()
        if code == errno.ENOSYS:
            raise RuntimeFault("this kernel has no openat2", hint="Linux 5.6 or later is needed")
        if code not in {errno.EAGAIN, errno.EINTR}:  # EAGAIN: something was renamed meanwhile
            raise OSError(code, os.strerror(code), path)


def sync_file_system(descriptor: int) -> None:
    """syncfs(2): everything written to the file system of ``descriptor`` is on disk afterwards.

    Raises:
        OSError: some of it could not be written.
    """
    if _libc.syncfs(ctypes.c_int(descriptor)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
