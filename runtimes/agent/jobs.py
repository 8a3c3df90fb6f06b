"""One program that the agent runs for us: its output as it comes, its end, its price."""

from __future__ import annotations

import contextlib
import shlex
import signal as signals
from dataclasses import dataclass
from typing import Protocol

from runtimes.agent import frames
from runtimes.agent.frames import AgentFault, AgentTimeout, Frame
from runtimes.process import tail_of

INPUT_MAX = 4096
"""Bytes of one request to a job, and of one line that it answers."""
FLOOD = 4
"""A job that has written more than this many times its output limit is killed."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended.  Durations are the box's own, of its clock."""

    status: int
    """Exit status 0-255, or minus the signal that ended it."""
    stdout: bytes
    stderr: bytes
    wall_ns: int
    user_ns: int
    sys_ns: int
    max_rss_bytes: int
    timed_out: bool
    """The agent killed it at its time limit."""
    truncated: bool
    """It wrote more than was kept."""
    elapsed_ns: int = 0
    """From the request to the report of its end, on the host's clock: the box's own ``wall_ns``
    cannot honestly be longer."""


class Channel(Protocol):
    """What a job needs of its agent."""

    def send(self, frame: Frame) -> None:
        """Send a request."""
        ...

    def pump(self, deadline_ns: int, awaited: str) -> None:
        """Receive once and hand out what came."""
        ...

    def deadline(self, timeout_s: float) -> int:
        """``timeout_s`` from now, ns on the channel's clock."""
        ...


class Job:
    """A program in the box.  Made by ``Agent.spawn``."""

    def __init__(
        self, channel: Channel, number: int, argv: tuple[str, ...], output_limit: int
    ) -> None:
        self.number = number
        self.argv = argv
        self.pid = 0
        """Inside the box; 0 until it has started."""
        self._channel = channel
        self._begun_ns = channel.deadline(0)
        self._limit = output_limit
        self._output = {"o": bytearray(), "e": bytearray()}
        self._read = 0
        """Bytes of its standard output that were taken as lines."""
        self.received = 0
        """Bytes of both outputs, kept or not."""
        self._truncated = False
        self._flooded = False
        self._refusal = ""
        self._result: JobResult | None = None

    @property
    def name(self) -> str:
        """The command line, shortened, for messages."""
        return shlex.join(self.argv)[:200]

    def started(self, timeout_s: float) -> None:
        """Wait until it runs.

        Raises:
            AgentFault: the program cannot be run, or the agent is silent.
        """
        deadline_ns = self._channel.deadline(timeout_s)
        while not self.pid and not self._refusal:
            self._channel.pump(deadline_ns, f"the start of {self.name}")
        self._check()

    def expect(self, pattern: bytes, timeout_s: float) -> None:
        """Wait until ``pattern`` stands in its output or error output.

        Raises:
            AgentFault: it ended without, or ran out of time.
        """
        deadline_ns = self._channel.deadline(timeout_s)
        searched = {"o": 0, "e": 0}
        while True:
            for kind, output in self._output.items():
                if output.find(pattern, searched[kind]) >= 0:
                    return
                searched[kind] = max(0, len(output) - len(pattern) + 1)
            self._check()
            if self._result is not None:
                raise AgentFault(
                    f"{self.name} ended with status {self._result.status} before it wrote "
                    f"{pattern!r}",
                    tail=self.tail(),
                )
            self._pump(deadline_ns, f"{pattern!r} from {self.name}")

    def ask(self, request: bytes, timeout_s: float) -> bytes:
        """Give it a line and wait for the one line that it answers, without its end.

        For a job that is fed.  ``b""`` for ``request`` only waits: for the word that it is ready.

        Raises:
            AgentFault: it ended, was not done in time, answered more than a line of
                ``INPUT_MAX`` bytes, or has written what nobody asked for.
        """
        if len(request) > INPUT_MAX:
            raise AgentFault(f"a request of {len(request)} bytes; {INPUT_MAX} are the most")
        if request:
            if len(self._output["o"]) > self._read:
                raise AgentFault(f"{self.name} wrote what nobody asked for", tail=self.tail())
            self._channel.send(Frame("I", self.number, request))
        deadline_ns = self._channel.deadline(timeout_s)
        while (end := self._output["o"].find(b"\n", self._read)) < 0:
            self._check()
            if len(self._output["o"]) - self._read > INPUT_MAX:
                raise AgentFault(f"{self.name} answered with more than a line", tail=self.tail())
            if self._truncated:
                raise AgentFault(f"{self.name} wrote more than is kept", tail=self.tail())
            if self._result is not None:
                raise AgentFault(
                    f"{self.name} ended with status {self._result.status} before it answered",
                    hint="out of memory? raise --memory" if self._result.status == -9 else "",
                    tail=self.tail(),
                )
            self._pump(deadline_ns, f"an answer of {self.name}")
        line = bytes(self._output["o"][self._read : end])
        self._read = end + 1
        return line

    def end_input(self) -> None:
        """Nothing more comes on its standard input."""
        self._channel.send(Frame("I", self.number))

    def kill(self, signal: int = signals.SIGKILL) -> None:
        """Send ``signal`` to its process group.

        Nothing happens where the job has ended, or where the channel is closed or broken: it is
        for clean-up as well, and whatever broke the channel has been raised already.
        """
        if self._result is None and not self._refusal:
            frame = Frame("K", self.number, str(signals.Signals(signal).value).encode())
            with contextlib.suppress(AgentFault):
                self._channel.send(frame)

    def wait(self, timeout_s: float) -> JobResult:
        """Wait for its end.

        Raises:
            AgentFault: its end was not reported within ``timeout_s``.
        """
        deadline_ns = self._channel.deadline(timeout_s)
        while self._result is None:
            self._check()
            self._pump(deadline_ns, f"the end of {self.name}")
        return self._result

    def ended(self, timeout_s: float) -> JobResult | None:
        """Its end, if that is reported within ``timeout_s``; output that comes meanwhile is kept.

        Raises:
            AgentFault: the channel is broken.
        """
        deadline_ns = self._channel.deadline(timeout_s)
        while self._result is None and self._channel.deadline(0) < deadline_ns:
            with contextlib.suppress(AgentTimeout):
                self._channel.pump(deadline_ns, f"the end of {self.name}")
        return self._result

    def tail(self) -> str:
        """End of what it has written."""
        return tail_of(bytes(self._output["o"]), bytes(self._output["e"]))

    def take(self, frame: Frame) -> bool:
        """Accept a frame for this job; whether it was the last.  For Agent.

        Raises:
            AgentFault: the frame makes no sense here.
        """
        if frame.type == "!":
            self._refusal = frames.sentence(frame.payload)
            return True
        if frame.type not in "poex" or (frame.type == "p") == bool(self.pid):
            raise AgentFault(f"the agent sent {frame.type!r} out of order for {self.name}")
        if frame.type == "p":
            self.pid = frames.number(frames.text(frame.payload, "pid"), "pid", low=1, high=2**31)
        elif frame.type == "x":
            self._result = self._ended(frame.payload)
            return True
        else:
            self._keep(frame.type, frame.payload)
        return False

    def _keep(self, kind: str, data: bytes) -> None:
        output = self._output[kind]
        room = self._limit - len(output)
        output += data[: max(0, room)]
        self._truncated = self._truncated or len(data) > room
        self.received += len(data)
        if self.received > FLOOD * self._limit and not self._flooded:
            self._flooded = True
            self.kill()

    def _ended(self, payload: bytes) -> JobResult:
        numbers = frames.ending(payload)
        return JobResult(
            status=numbers["status"],
            stdout=bytes(self._output["o"]),
            stderr=bytes(self._output["e"]),
            wall_ns=numbers["wall_ns"],
            user_ns=numbers["user_ns"],
            sys_ns=numbers["sys_ns"],
            max_rss_bytes=numbers["max_rss_bytes"],
            timed_out=bool(numbers["timed_out"]),
            truncated=self._truncated,
            elapsed_ns=self._channel.deadline(0) - self._begun_ns,
        )

    def _check(self) -> None:
        if self._refusal:
            raise AgentFault(f"in the box: {self._refusal}")

    def _pump(self, deadline_ns: int, awaited: str) -> None:
        try:
            self._channel.pump(deadline_ns, awaited)
        except AgentFault as fault:
            fault.tail = fault.tail or self.tail()
            raise
