"""Who is alive: names that are held by locks, which the kernel lets go when their owner dies.

Whoever makes something on this host under a run's short id holds that name meanwhile, so that
``invoke clean`` knows what the living have from what the dead left.  The lock (flock(2)) is on a
file in a directory that nobody else can look into, because whoever may open a file may lock it.

An abstract Unix socket (unix(7)) of the same name says so to other users and to older versions.
Anyone may make one of any name: it counts only where its owner is root or ourselves.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from runtimes import directories
from runtimes.faults import RuntimeFault

_CREDENTIALS = struct.Struct("iII")
"""struct ucred: process, user, group."""


def address(name: str) -> str:
    """The socket's address."""
    return f"\0tarebench/{name}"


@dataclass(slots=True)
class Holder:
    """A name's owner, until it is closed."""

    path: Path
    descriptor: int
    notice: socket.socket = field(
        default_factory=lambda: socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC
        )
    )

    def announce(self) -> bool:
        """Tell others; false where one who counts has the name there."""
        try:
            self.notice.bind(address(self.path.name))
            self.notice.listen(16)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return _announcer(self.path.name) is None
        return True

    def close(self) -> None:
        """Let go, and leave nothing."""
        self.notice.close()
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other names are held, or other things are there
            self.path.parent.rmdir()
            self.path.parent.parent.rmdir()
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        """Held already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go."""
        self.close()


def claim(name: str, *, wait: bool = False) -> Holder | None:
    """Be the owner of ``name`` until closed; ``None`` where another one is.

    Args:
        name: a run's short id, or another word.
        wait: until the other one has let go.

    Raises:
        RuntimeFault: locks cannot be kept here.
    """
    while True:
        holder = _locked(name, wait=wait)
        if holder is None or holder.announce():
            return holder
        holder.close()
        if not wait:
            return None
        _await_announcer(name)


def is_alive(name: str) -> bool:
    """Whether some process owns ``name``."""
    holder = claim(name)
    if holder is None:
        return True
    holder.close()
    return False


def owner(name: str) -> int | None:
    """The process that owns ``name``, where that can be told."""
    with contextlib.suppress(OSError, ValueError):
        return int((directories.locks() / name).read_text())
    return _announcer(name)


def _locked(name: str, *, wait: bool) -> Holder | None:
    path = directories.locks() / name
    try:
        descriptor = _lock(path, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError as error:
        raise RuntimeFault(
            f"cannot keep the lock {path}: {error.strerror}",
            hint=f"{path.parent} must be a directory that only you can write to",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return Holder(path, descriptor)


def _lock(path: Path, how: int) -> int:
    """The file locked, as it is there by its name: its last owner may just have removed it."""
    while True:
        try:
            directories.closed(path.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            continue  # the directory went with the last name in it
        try:
            fcntl.flock(descriptor, how)
            if os.path.samestat(os.fstat(descriptor), path.lstat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _announcer(name: str) -> int | None:
    """The process that has the socket, where it counts."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return _believed(probe, name)


def _believed(probe: socket.socket, name: str) -> int | None:
    """Connect without waiting: somebody else's socket need not ever answer."""
    probe.settimeout(0)
    try:
        probe.connect(address(name))
        told = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    process, user, _ = _CREDENTIALS.unpack(told)
    return int(process) if user in {0, os.geteuid()} else None


def _await_announcer(name: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiter:
        if _believed(waiter, name) is not None:
            waiter.settimeout(None)
            with contextlib.suppress(OSError):
                waiter.recv(1)  # the owner never writes: this returns when it is gone
