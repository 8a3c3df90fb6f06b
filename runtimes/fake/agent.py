"""The other end of the agent's channel, in memory: it speaks the protocol and runs nothing."""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runtimes.agent.channel import PROTOCOL_VERSION
from runtimes.agent.frames import ENDING, HEADER, Frame
from runtimes.fake.script import Clock, Line, Reply, Step
from runtimes.faults import RuntimeFault

PIECE = 32_768
KILLED = -9
NEVER_NS = 10**18


@dataclass(frozen=True, slots=True)
class Answers:
    """What the box answers with; any of these may raise, to play a fault."""

    step: Callable[[Step], None]
    """Called first, at every request."""
    facts: Callable[[], Mapping[str, str]]
    digest: Callable[[str], str]
    reply: Callable[[Sequence[str]], Reply | None]
    """How a command goes; ``None``: there is no such program."""


class FakeStream:
    """A ``Stream`` of the channel.  What is to come lies in a heap, by the instant it is due."""

    def __init__(self, answers: Answers, clock: Clock, hello_ns: int) -> None:
        self._answers = answers
        self._clock = clock
        self._due: list[tuple[int, int, Frame]] = []
        self._order = itertools.count()
        self._ends: dict[int, Frame] = {}
        self._lines: dict[int, Iterator[Line]] = {}
        """Job → what it answers to its next requests."""
        self._statuses: dict[int, int] = {}
        """Job → how it ends at the end of its input."""
        self._taken = b""
        self._files: dict[str, tuple[int, bytes]] = {}
        """Path → mode and content, of files that were put into the box."""
        self._coming = (0, 0, "", b"")
        """Mode, size, path and content so far of the one that is being put."""
        self._greeted = False
        self._closed = False
        self._push(Frame("h", 0, str(PROTOCOL_VERSION).encode()), hello_ns)

    def recv(self, size: int, timeout_s: float) -> bytes:
        """See Stream."""
        if not self._greeted:
            self._greeted = True
            self._answers.step("hello")
        if self._closed:
            return b""
        now_ns = self._clock.now_ns()
        wait_ns = max(0, self._due[0][0] - now_ns) if self._due else NEVER_NS
        self._clock.sleep(min(timeout_s, wait_ns / 1e9))
        if wait_ns > timeout_s * 1e9:
            raise TimeoutError
        frame = heapq.heappop(self._due)[2]
        if frame.type == "x":
            self._ends.pop(frame.job, None)
        data = frame.encode()
        if len(data) > size:
            raise ValueError("a frame longer than what is asked for")
        return data

    def send(self, data: bytes) -> None:
        """See Stream."""
        if self._closed:
            raise BrokenPipeError
        self._taken += data
        while len(self._taken) >= HEADER.size:
            kind, job, length = HEADER.unpack_from(self._taken)
            end = HEADER.size + length
            if len(self._taken) < end:
                return
            payload, self._taken = self._taken[HEADER.size : end], self._taken[end:]
            self._take(Frame(kind.decode("ascii"), job, payload))

    def close(self) -> None:
        """See Stream."""
        self._closed = True

    def _push(self, frame: Frame, at_ns: int | None = None) -> None:
        due_ns = self._clock.now_ns() if at_ns is None else at_ns
        heapq.heappush(self._due, (due_ns, next(self._order), frame))

    def _take(self, frame: Frame) -> None:
        match frame.type:
            case "R" | "S":
                self._run(frame)
            case "I":
                self._input(frame)
            case "K":
                self._kill(frame)
            case "F":
                self._answers.step("facts")
                facts = self._answers.facts().items()
                lines = "".join(f"{key}={value}\n" for key, value in facts)
                self._push(Frame("f", frame.job, lines.encode()))
            case "D":
                self._digest(frame)
            case "G":
                self._get(frame)
            case "P":
                mode, size, path = frame.payload.decode().split("\0")[:-1]
                self._coming = (int(mode), int(size), path, b"")
                self._acknowledge(frame.job)
            case "B":
                self._coming = (*self._coming[:3], self._coming[3] + frame.payload)
                self._acknowledge(frame.job)
            case _:
                self.close()

    def _digest(self, frame: Frame) -> None:
        self._answers.step("digest")
        try:
            digest = self._answers.digest(frame.payload.decode())
        except RuntimeFault as fault:
            self._push(Frame("!", frame.job, str(fault).encode()))
        else:
            self._push(Frame("d", frame.job, digest.encode()))

    def _get(self, frame: Frame) -> None:
        limit, path = frame.payload.decode().split("\0")[:-1]
        mode, content = self._files.get(path, (0, b""))
        if path not in self._files or len(content) > int(limit):
            why = "larger than was asked for:" if path in self._files else "cannot open"
            self._push(Frame("!", frame.job, f"{why} {path}".encode()))
            return
        self._push(Frame("g", frame.job, f"mode={mode}\nsize={len(content)}\n".encode()))
        for at in range(0, len(content), PIECE):
            self._push(Frame("b", frame.job, content[at : at + PIECE]))
        self._push(Frame("d", frame.job, hashlib.sha256(content).hexdigest().encode()))

    def _acknowledge(self, job: int) -> None:
        mode, size, path, content = self._coming
        if len(content) < size:
            self._push(Frame("k", job, str(len(content)).encode()))
            return
        self._files[path] = (mode, content)
        self._push(Frame("d", job, hashlib.sha256(content).hexdigest().encode()))

    def _run(self, frame: Frame) -> None:
        self._answers.step("run")
        limit_ms, variables, *rest = frame.payload.decode().split("\0")[:-1]
        argv = rest[int(variables) :]
        reply = self._answers.reply(argv)
        if reply is None:
            why = f"cannot run {argv[0]}: No such file or directory"
            self._push(Frame("!", frame.job, why.encode()))
            return
        self._push(Frame("p", frame.job, b"2"))
        for kind, output in (("o", reply.stdout), ("e", reply.stderr)):
            for at in range(0, len(output), PIECE):
                self._push(Frame(kind, frame.job, output[at : at + PIECE]))
        self._lines[frame.job] = itertools.cycle(reply.answers)
        self._statuses[frame.job] = reply.end_status
        limit_ns = int(limit_ms) * 1_000_000
        wall_ns = NEVER_NS if reply.wall_ns is None else reply.wall_ns
        late = wall_ns > limit_ns
        self._end(frame.job, KILLED if late else reply.status, min(wall_ns, limit_ns), late=late)

    def _input(self, frame: Frame) -> None:
        if not frame.payload:
            self._replace_end(frame.job, self._statuses[frame.job], 0)
            return
        self._answers.step("ask")
        line = next(self._lines[frame.job], None)
        if frame.job not in self._ends or line is None:
            return
        if line.status is not None:
            self._replace_end(frame.job, line.status, line.wall_ns or 0)
        elif line.wall_ns is not None:
            self._push(Frame("o", frame.job, line.text), self._clock.now_ns() + line.wall_ns)

    def _end(self, job: int, status: int, after_ns: int, *, late: bool = False) -> None:
        values = (status, int(late), after_ns, after_ns, 0, 1 << 20)
        lines = "".join(f"{key}={value}\n" for key, value in zip(ENDING, values, strict=True))
        self._ends[job] = Frame("x", job, lines.encode())
        self._push(self._ends[job], self._clock.now_ns() + after_ns)

    def _kill(self, frame: Frame) -> None:
        self._replace_end(frame.job, -int(frame.payload), 0)

    def _replace_end(self, job: int, status: int, after_ns: int) -> None:
        planned = self._ends.pop(job, None)
        if planned is None:
            return
        self._due = [entry for entry in self._due if entry[2] is not planned]
        heapq.heapify(self._due)
        self._end(job, status, after_ns)
