r"""The channel to the agent: the small static program that is the main process of every box.

The same agent, from the same root filesystem, runs in every arm, so a command is started,
timed and reported in the same way on the host, in a container and in a guest.  It speaks
frames over whatever byte stream the runtime has: a pipe, a Docker attach socket, a
virtio-serial port.  Everything that arrives is hostile: lengths are bounded, totals are
bounded, every wait has a limit.

Frame::

    type (1 byte) | job (u32, big endian) | length (u32, big endian, at most 65,536) | payload

Host → agent:
    ``R`` run           payload: ``timeout_ms\0nenv\0NAME=VALUE\0…argv0\0argv1\0…``
    ``S`` serve         as ``R``; the job's standard input is what ``I`` frames bring
    ``I`` input         at most 4,096 bytes for such a job; empty: the end of its input
    ``K`` kill          payload: signal number in decimal
    ``F`` facts         empty
    ``D`` digest        payload: absolute path
    ``G`` get           payload: ``limit_bytes\0path\0``: a regular file, out of the box
    ``P`` put           payload: ``mode\0size_bytes\0path\0``: a regular file, into the box
    ``B`` bytes         the next piece of a put
    ``Q`` quit          empty: every job is killed, then the agent exits 0
Agent → host (``job`` echoes the request's):
    ``h`` hello         protocol version in decimal; the first bytes ever written
    ``p`` started       pid inside the box in decimal
    ``o`` / ``e``       a piece of the job's standard output / error
    ``x`` exited        ``KEY=VALUE\n`` lines: ``status`` (0-255 or -signal), ``timed_out`` 0|1,
                        ``wall_ns user_ns sys_ns max_rss_bytes``: durations of the job in the box
    ``f`` facts         ``KEY=VALUE\n`` lines
    ``d`` digest        sha256 in hexadecimal; also the end of a get and of a put
    ``g`` got           ``mode=…\nsize=…\n``, in decimal; pieces follow
    ``b`` bytes         the next piece of a get
    ``k`` taken         bytes of a put that are there; the next piece may come
    ``!`` error         one sentence: the request failed
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from runtimes.agent import frames
from runtimes.agent.files import LIMIT_BYTES, BoxFile, Getting, Putting
from runtimes.agent.frames import AgentFault, AgentTimeout, Frame
from runtimes.agent.jobs import INPUT_MAX, Job, JobResult
from runtimes.process import ENVIRONMENT

__all__ = [
    "INPUT_MAX",
    "PROTOCOL_VERSION",
    "Agent",
    "AgentFault",
    "BoxFile",
    "FdStream",
    "Job",
    "JobResult",
    "Stream",
]

PROTOCOL_VERSION = 3
OUTPUT_LIMIT_BYTES = 8 * 1024 * 1024
GRACE_S = 10.0
"""How long after a job's own time limit its end must have been reported."""
START_S = 30.0
"""How long the agent may take to say that a job has started."""
SEND_S = 30.0
"""How long the other side may take to read a request."""


class Stream(Protocol):
    """A byte stream to an agent, whatever carries it."""

    def recv(self, size: int, timeout_s: float) -> bytes:
        """At least one byte and at most ``size``; ``b""`` at the end.  Raises TimeoutError."""
        ...

    def send(self, data: bytes) -> None:
        """All of ``data``.  Raises OSError where the other side is gone or does not read."""
        ...

    def close(self) -> None:
        """Give the stream back.  Idempotent."""
        ...


class FdStream:
    """A stream over file descriptors, which it owns: two pipes, or twice the same socket."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd, self._write_fd = read_fd, write_fd
        self._closed = False
        for fd in (read_fd, write_fd):
            os.set_blocking(fd, False)
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(read_fd, select.POLLIN)
        self._writable.register(write_fd, select.POLLOUT)

    def recv(self, size: int, timeout_s: float) -> bytes:
        """See Stream."""
        if self._closed:
            return b""
        if not self._readable.poll(max(0.0, timeout_s) * 1000):
            raise TimeoutError
        try:
            return os.read(self._read_fd, size)
        except BlockingIOError:
            raise TimeoutError from None
        except OSError:  # a reset socket, a pseudo-terminal without its other side: the end
            return b""

    def send(self, data: bytes) -> None:
        """See Stream."""
        if self._closed:
            raise BrokenPipeError
        left, end_s = memoryview(data), time.monotonic() + SEND_S
        while left:  # a box that takes a byte at a time has no more time than one that takes none
            if not self._writable.poll(max(0.0, end_s - time.monotonic()) * 1000):
                raise TimeoutError
            try:
                left = left[os.write(self._write_fd, left) :]
            except BlockingIOError:
                continue

    def close(self) -> None:
        """See Stream."""
        if not self._closed:
            self._closed = True
            for fd in {self._read_fd, self._write_fd}:
                os.close(fd)


class Agent:
    """The agent in one box.  Not for use by several threads.

    Every method raises AgentFault where the agent breaks the protocol, closes the channel,
    refuses, or does not answer in time; after a broken protocol nothing more is believed.
    """

    def __init__(self, stream: Stream, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._stream = stream
        self._clock = clock
        self._decoder = frames.Decoder()
        self._jobs: dict[int, Job | Getting | Putting] = {}
        self._asked: dict[int, str] = {}
        self._answers: dict[int, Frame] = {}
        self._last = 0
        self._greeting: Frame | None = None
        self._broken = ""
        self._first_ns = 0

    def hello(self, timeout_s: float) -> int:
        """Wait for the agent's first byte; ns of the clock at which it could be read.

        The instant is that of the first call, should the byte have come before it: a runtime
        whose ``start`` goes on for long after the box runs calls it itself meanwhile.
        """
        deadline_ns = self.deadline(timeout_s)
        while self._greeting is None:
            self.pump(deadline_ns, "the agent's first byte")
        version = frames.text(self._greeting.payload, "hello")
        if version != str(PROTOCOL_VERSION):
            raise self._break(
                f"the agent speaks protocol {version[:20]!r}, not {PROTOCOL_VERSION}",
                hint="rebuild the root filesystem: the agent in it is not this version's",
            )
        return self._first_ns

    def facts(self, timeout_s: float = 5.0) -> dict[str, str]:
        """What the box looks like from inside."""
        answer = self._ask("F", b"", "f", timeout_s, "the box's facts")
        return frames.pairs(answer, "facts")

    def digest(self, path: str, timeout_s: float = 30.0) -> str:
        """SHA-256, in hexadecimal, of a regular file in the box."""
        answer = self._ask("D", os.fsencode(path), "d", timeout_s, f"the digest of {path}")
        return frames.digest(answer)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        output_limit: int = OUTPUT_LIMIT_BYTES,
    ) -> JobResult:
        """Run a program in the box to its end; see ``spawn``."""
        job = self.spawn(argv, timeout_s=timeout_s, env=env, output_limit=output_limit)
        return job.wait(timeout_s + GRACE_S)

    def spawn(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        output_limit: int = OUTPUT_LIMIT_BYTES,
        fed: bool = False,
    ) -> Job:
        """Start a program in the box and return once it runs.

        Args:
            argv: program (searched on the job's PATH) and arguments.
            timeout_s: the agent kills the job's process group after it.
            env: added to ``process.ENVIRONMENT``; the job sees nothing else.
            output_limit: bytes kept of each output; a job that writes much more is killed.
            fed: it reads what ``Job.ask`` gives it; else its standard input is empty.
        """
        payload = frames.run_payload(argv, {**ENVIRONMENT, **(env or {})}, timeout_s)
        job = Job(self, self._next(), tuple(argv), output_limit)
        self._jobs[job.number] = job
        try:
            self.send(Frame("S" if fed else "R", job.number, payload))
        except AgentFault:
            del self._jobs[job.number]
            raise
        job.started(START_S)
        return job

    def get(self, path: str, *, timeout_s: float, limit_bytes: int = LIMIT_BYTES) -> BoxFile:
        """A regular file from the box; links on the way to it stay inside the box's root."""
        coming = Getting(self, self._next(), path, limit_bytes)
        self._jobs[self._last] = coming
        return coming.fetch(timeout_s)

    def put(self, path: str, content: bytes, *, timeout_s: float, mode: int = 0o644) -> None:
        """Make a regular file in the box, or replace what has its name; whole or not at all."""
        going = Putting(self, self._next(), path, content)
        self._jobs[self._last] = going
        going.deliver(mode, timeout_s)

    def quit(self) -> None:
        """Ask the agent to kill its jobs and exit.  No error where it is gone already."""
        try:
            self.send(Frame("Q", 0))
        except AgentFault:
            return

    def close(self) -> None:
        """Close the channel, which ends the agent as well."""
        self._stream.close()

    def deadline(self, timeout_s: float) -> int:
        """``timeout_s`` from now, on this agent's clock."""
        return self._clock() + round(timeout_s * 1e9)

    def send(self, frame: Frame) -> None:
        """Send a request.  For Job."""
        if self._broken:
            raise AgentFault(self._broken)
        try:
            self._stream.send(frame.encode())
        except TimeoutError:
            raise AgentFault(f"the agent has not read a request in {SEND_S:g} s") from None
        except OSError as error:
            raise AgentFault(f"the channel to the agent is closed: {error.strerror}") from None

    def pump(self, deadline_ns: int, awaited: str) -> None:
        """Receive once and hand out what came.  For Job."""
        if self._broken:
            raise AgentFault(self._broken)
        left_ns = deadline_ns - self._clock()
        try:
            data = self._stream.recv(frames.PAYLOAD_MAX, left_ns / 1e9) if left_ns > 0 else None
        except TimeoutError:
            data = None
        if data is None:
            raise AgentTimeout(f"gave up waiting for {awaited}")
        self._first_ns = self._first_ns or self._clock()
        if not data:
            raise self._break(f"the agent closed the channel while we waited for {awaited}")
        try:
            for frame in self._decoder.feed(data):
                self._take(frame)
        except AgentFault as fault:
            self._broken = str(fault)
            raise

    def _break(self, why: str, hint: str = "") -> AgentFault:
        self._broken = why
        return AgentFault(why, hint=hint)

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _ask(self, kind: str, payload: bytes, answer: str, timeout_s: float, what: str) -> bytes:
        number = self._next()
        self._asked[number] = answer
        self.send(Frame(kind, number, payload))
        deadline_ns = self.deadline(timeout_s)
        while number not in self._answers:
            self.pump(deadline_ns, what)
        frame = self._answers.pop(number)
        if frame.type == "!":
            raise AgentFault(f"the agent cannot give {what}: {frames.sentence(frame.payload)}")
        return frame.payload

    def _take(self, frame: Frame) -> None:
        if (self._greeting is None) != (frame.type == "h"):
            raise AgentFault(f"the agent sent {frame.type!r} where hello comes first, and once")
        if frame.type == "h":
            self._greeting = frame
        elif self._asked.get(frame.job) == frame.type or (
            frame.type == "!" and frame.job in self._asked
        ):
            del self._asked[frame.job]
            self._answers[frame.job] = frame
        elif frame.job in self._jobs:
            if self._jobs[frame.job].take(frame):
                del self._jobs[frame.job]
        else:
            raise AgentFault(f"the agent sent {frame.type!r} for {frame.job}, which none asked for")
