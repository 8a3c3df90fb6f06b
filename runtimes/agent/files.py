"""One file out of the box or into it, whole and as it is, or a fault.

The box is not believed: what it announces is bounded by what the caller allows, what it sends by
what it announced, and the digest is computed here, over what went through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from runtimes.agent import frames
from runtimes.agent.frames import AgentFault, Frame
from runtimes.agent.jobs import Channel

LIMIT_BYTES = 64 * 1024 * 1024
"""Most that is taken from a box, or given to one, unless the caller says otherwise."""
PIECE_BYTES = frames.PAYLOAD_MAX


@dataclass(frozen=True, slots=True)
class BoxFile:
    """A regular file, as it was in the box."""

    content: bytes
    mode: int
    """Permission bits."""


class Getting:
    """A file on its way out of the box.  Made by ``Agent.get``."""

    def __init__(self, channel: Channel, number: int, path: str, limit_bytes: int) -> None:
        self._channel, self._number = channel, number
        self._what, self._limit = f"{path} from the box", limit_bytes
        self._path = path
        self._size: int | None = None
        self._mode = 0
        self._content = bytearray()
        self._refusal = ""
        self._whole = False

    def fetch(self, timeout_s: float) -> BoxFile:
        """Ask for it and wait until it is here.

        Raises:
            AgentFault: the box refuses, lies, or has not sent all of it in time.
        """
        deadline_ns = self._channel.deadline(timeout_s)
        payload = frames.strings_payload([str(self._limit), self._path])
        self._channel.send(Frame("G", self._number, payload))
        while not self._whole:
            if self._refusal:
                raise AgentFault(f"cannot get {self._what}: {self._refusal}")
            self._channel.pump(deadline_ns, self._what)
        return BoxFile(bytes(self._content), self._mode)

    def take(self, frame: Frame) -> bool:
        """Accept a frame for this file; whether it was the last.  For Agent.

        Raises:
            AgentFault: the frame makes no sense here.
        """
        match frame.type:
            case "!":
                self._refusal = frames.sentence(frame.payload)
                return True
            case "g" if self._size is None:
                self._announced(frame.payload)
            case "b" if self._size is not None:
                self._keep(frame.payload, self._size)
            case "d" if self._size == len(self._content):
                self._check(frames.digest(frame.payload))
                return True
            case _:
                raise AgentFault(f"the agent sent {frame.type!r} out of order for {self._what}")
        return False

    def _announced(self, payload: bytes) -> None:
        found = frames.pairs(payload, "announcement of a file")
        if tuple(found) != ("mode", "size"):
            raise AgentFault(f"the agent announced a file with {', '.join(found) or 'nothing'}")
        self._mode = frames.number(found["mode"], "file's mode", high=0o7777)
        self._size = frames.number(found["size"], "file's size", high=self._limit)

    def _keep(self, piece: bytes, size: int) -> None:
        if not piece or len(self._content) + len(piece) > size:
            raise AgentFault(f"the agent sent more of {self._what} than the {size} bytes announced")
        self._content += piece

    def _check(self, told: str) -> None:
        if hashlib.sha256(self._content).hexdigest() != told:
            raise AgentFault(f"{self._what} came with the digest of something else")
        self._whole = True


class Putting:
    """A file on its way into the box.  Made by ``Agent.put``."""

    def __init__(self, channel: Channel, number: int, path: str, content: bytes) -> None:
        self._channel, self._number = channel, number
        self._path, self._content = path, content
        self._what = f"{path} into the box"
        self._sent = 0
        self._acknowledged = -1
        self._refusal = ""
        self._whole = False

    def deliver(self, mode: int, timeout_s: float) -> None:
        """Send it, each piece once the one before is taken: nothing piles up on either side.

        Raises:
            AgentFault: the box refuses, lies, or has not taken all of it in time.
        """
        deadline_ns = self._channel.deadline(timeout_s)
        payload = frames.strings_payload([str(mode), str(len(self._content)), self._path])
        self._channel.send(Frame("P", self._number, payload))
        self._await(deadline_ns)
        for piece in self._pieces():
            self._sent += len(piece)
            self._channel.send(Frame("B", self._number, piece))
            self._await(deadline_ns)

    def take(self, frame: Frame) -> bool:
        """Accept a frame for this file; whether it was the last.  For Agent.

        Raises:
            AgentFault: the frame makes no sense here.
        """
        match frame.type:
            case "!":
                self._refusal = frames.sentence(frame.payload)
                return True
            case "k" if self._sent < len(self._content):
                self._acknowledge(frames.text(frame.payload, "acknowledgement"))
                return False
            case "d" if self._sent == len(self._content):
                self._check(frames.digest(frame.payload))
                return True
            case _:
                raise AgentFault(f"the agent sent {frame.type!r} out of order for {self._what}")

    def _pieces(self) -> Iterator[bytes]:
        for at in range(0, len(self._content), PIECE_BYTES):
            yield self._content[at : at + PIECE_BYTES]

    def _await(self, deadline_ns: int) -> None:
        while not self._whole and self._acknowledged != self._sent:
            if self._refusal:
                raise AgentFault(f"cannot put {self._what}: {self._refusal}")
            self._channel.pump(deadline_ns, f"the box to take {self._what}")

    def _acknowledge(self, told: str) -> None:
        taken = frames.number(told, "acknowledgement")
        if taken != self._sent or taken == self._acknowledged:
            raise AgentFault(f"the agent took {taken} bytes of {self._what}, of {self._sent} sent")
        self._acknowledged = taken

    def _check(self, told: str) -> None:
        if hashlib.sha256(self._content).hexdigest() != told:
            raise AgentFault(f"what arrived of {self._what} is something else than was sent")
        self._whole = True
