"""One running launcher: a child of ours that serves one plan after another over a socket.

It is told a plan with its descriptors in one message, and answers over the plan's own status
pipe.  It ends when our end of the socket closes, in whatever way we end.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Sequence

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.launcher import limits

BUFFER_BYTES = 8 << 20
_SO_SNDBUFFORCE = 32
_CLOSE_S = 5.0
_FATE_S = 1.0
_NOT_BEGUN = 64
"""See launcher.h."""


class Server:
    """One launcher process."""

    def __init__(self, program_fd: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                ours.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, BUFFER_BYTES)
            except PermissionError:  # a plain user: as much as net.core.wmem_max allows
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            self._socket = ours
            self._child: subprocess.Popen[bytes] = process.spawn(
                [f"/proc/self/fd/{program_fd}", str(theirs.fileno())],
                pass_fds=(program_fd, theirs.fileno()),
                new_session=True,
            )
        self.waiting = 0
        """Starts that wait for it."""
        self.prepared = 0
        """Plans of the launcher's prologue that it has executed."""

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def send(self, plan: bytes, streams: Sequence[int], named: Sequence[int]) -> None:
        """Give it a plan.

        Args:
            plan: packed.
            streams: standard input, output and error, and the status pipe.
            named: descriptors that the plan's steps call by number.

        Raises:
            RuntimeFault: the plan is too long, or has too many descriptors.
            BrokenPipeError: the launcher is dead.
        """
        descriptors = (*streams, *named)
        head = struct.pack(f"=I{len(descriptors)}i", len(descriptors), *descriptors)
        message = head + plan
        limits.check_descriptors(len(descriptors))
        limits.check_message(len(message))
        try:
            socket.send_fds(self._socket, [message], descriptors)
        except OSError as error:
            if error.errno in (errno.ECONNRESET, errno.ENOTCONN):
                raise BrokenPipeError(error.errno, os.strerror(error.errno)) from None
            if error.errno in (errno.EMSGSIZE, errno.ENOBUFS):
                raise _too_long(len(message), error.errno) from None
            raise

    def fate(self) -> str:
        """How it ended, in words; that it has not where it runs."""
        try:
            status = self._child.wait(_FATE_S)
        except subprocess.TimeoutExpired:
            return "the launcher runs, and did not say a word"
        if status < 0:
            return f"the launcher was killed by {signal.Signals(-status).name}"
        if status > _NOT_BEGUN:
            code = status - _NOT_BEGUN
            name = errno.errorcode.get(code, str(code))
            return f"the launcher could not begin: {name} ({os.strerror(code)})"
        return f"the launcher ended with status {status}, without a word"

    def close(self) -> None:
        """End it."""
        self._socket.close()
        try:
            self._child.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it by force."""
        self._socket.close()
        self._child.kill()
        self._child.wait()


def _too_long(length: int, code: int) -> RuntimeFault:
    """For this host or user, though not for a plan."""
    hint = "raise /proc/sys/net/core/wmem_max, or run as root"
    return RuntimeFault(
        f"a plan of {length} bytes does not fit into a socket: {os.strerror(code)}",
        hint=hint if code == errno.EMSGSIZE else "free memory",
    )
