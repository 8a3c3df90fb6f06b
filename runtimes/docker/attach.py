"""The attach stream: the agent's bytes out of Docker's frames.

Without a terminal, Docker wraps what a container writes in frames
(https://docs.docker.com/reference/api/engine/, "Attach to a container")::

    stream (1 byte: 0 stdin, 1 stdout, 2 stderr, 3 the daemon's own error) | 0 0 0
    | length (u32, big endian) | payload

What we send goes in raw.  ``Demultiplexer`` is pure; ``AttachStream`` puts it on a socket.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from dataclasses import dataclass, field

from runtimes.faults import RuntimeFault

HEADER_BYTES = 8
MAX_FRAME_BYTES = 1 << 20
"""dockerd copies in pieces of 32 KiB; anything longer than this is no frame."""
MAX_STDERR_BYTES = 64 << 10
SEND_S = 30.0
"""How long the container may leave its input unread."""
_READ_BYTES = 64 << 10
_STDOUT = (0, 1)
_DAEMON_ERROR = 3


@dataclass(slots=True)
class Demultiplexer:
    """Splits frames, however the bytes are cut.

    Attributes:
        stderr: the last ``MAX_STDERR_BYTES`` of standard error and of the daemon's errors.
    """

    stderr: bytearray = field(default_factory=bytearray)
    _header: bytearray = field(default_factory=bytearray)
    _kind: int = 1
    _left: int = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the wire; return those of standard output.

        Raises:
            RuntimeFault: this is not Docker's framing, or the daemon reports an error in it.
        """
        output = bytearray()
        view = memoryview(data)
        while view:
            if self._left == 0:
                view = self._take_header(view)
                continue
            piece, view = view[: self._left], view[self._left :]
            self._left -= len(piece)
            self._deliver(bytes(piece), output)
        return bytes(output)

    @property
    def between_frames(self) -> bool:
        """Whether the wire could end here without cutting a frame."""
        return self._left == 0 and not self._header

    def _take_header(self, view: memoryview) -> memoryview:
        wanted = HEADER_BYTES - len(self._header)
        self._header += view[:wanted]
        if len(self._header) == HEADER_BYTES:
            kind, padding = self._header[0], self._header[1:4]
            length = int.from_bytes(self._header[4:], "big")
            if kind > _DAEMON_ERROR or any(padding) or length > MAX_FRAME_BYTES:
                raise RuntimeFault(
                    f"attach stream: {bytes(self._header).hex()} is no frame header of Docker's",
                    hint="does something other than a Docker daemon answer on this socket?",
                )
            self._kind, self._left = kind, length
            self._header.clear()
        return view[wanted:]

    def _deliver(self, piece: bytes, output: bytearray) -> None:
        if self._kind in _STDOUT:
            output += piece
            return
        self.stderr += piece
        del self.stderr[:-MAX_STDERR_BYTES]
        if self._kind == _DAEMON_ERROR and self._left == 0:
            raise RuntimeFault(
                "attach stream: the Docker daemon reports an error",
                tail=self.stderr[-1024:].decode("utf-8", "replace"),
            )


class AttachStream:
    """A ``runtimes.agent.channel.Stream`` over a hijacked attach connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames = Demultiplexer()
        self._ready = bytearray()
        self._ended = False
        connection.setblocking(False)  # noqa: FBT003  # the standard library's signature

    def fileno(self) -> int:
        """The socket's descriptor, to poll for the first byte."""
        return self._connection.fileno()

    def recv(self, size: int, timeout_s: float) -> bytes:
        """At most ``size`` bytes of standard output; empty at its end.

        Raises:
            TimeoutError: nothing within ``timeout_s``.
            RuntimeFault: this is not Docker's framing.
        """
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        while not self._ready and not self._ended:
            self._fill((deadline_ns - time.monotonic_ns()) / 1e9)
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def send(self, data: bytes) -> None:
        """Write all of ``data`` to the agent's standard input.

        Raises:
            TimeoutError: nothing was read for ``SEND_S``.
            OSError: the container or the daemon is gone.
        """
        if self.fileno() < 0:
            raise BrokenPipeError(errno.EPIPE, "the stream is closed")
        poll = select.poll()
        poll.register(self._connection, select.POLLOUT)
        left = memoryview(data)
        while left:
            if not poll.poll(SEND_S * 1000):
                raise TimeoutError
            with contextlib.suppress(BlockingIOError):
                left = left[self._connection.send(left) :]

    def close(self) -> None:
        """Close the connection; the agent sees the end of its input.  Idempotent."""
        self._ended = True
        self._connection.close()

    def stderr_tail(self) -> str:
        """What the container wrote to standard error, its last 64 KiB."""
        return self._frames.stderr.decode("utf-8", "replace")

    def at_end(self) -> bool:
        """Whether a readable connection has nothing but its end to give."""
        try:
            return not self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _fill(self, timeout_s: float) -> None:
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        if timeout_s <= 0 or not poll.poll(timeout_s * 1000):
            raise TimeoutError("nothing from the container")
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:  # reset: the daemon died, which is the end as well
            data = b""
        if data:
            self._ready += self._frames.feed(data)
            return
        self._ended = True
        if not self._frames.between_frames:
            raise RuntimeFault("attach stream: ended inside a frame; the daemon died or lied")
