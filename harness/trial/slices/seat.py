"""One arm's place in a block that works in slices: its box, its program, its slices."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.clock import stamp
from harness.errors import HarnessFault
from harness.plan.schedule import Slot
from harness.trial import services, throttling
from harness.trial.box import inspect, started
from harness.trial.context import Context
from harness.trial.trial import FAULTS, Outcome, checked
from harness.trial.work import places
from runtimes.agent.channel import INPUT_MAX, Agent, Job
from workloads.base import (
    READY,
    Answer,
    Command,
    CommandSlices,
    Output,
    ResidentSlices,
    Side,
    SliceWork,
    Workload,
)

ENDED_S = 30.0
"""How long a program may take to check what it did, at the end of its input."""
OUTPUT_BYTES = 1024 * INPUT_MAX
"""Of all answers of one program together."""


class Slicer(Protocol):
    """Does slices in a box that is up."""

    def work(self, amount: int) -> Answer:
        """One slice of so many milliseconds, or units."""
        ...

    def end(self) -> None:
        """No more slices.  Raises HarnessFault where what was done is wrong after all."""
        ...


class Resident:
    """A program that stays."""

    def __init__(self, agent: Agent, work: ResidentSlices, tokens: Mapping[str, str]) -> None:
        self._slices = work
        self._argv = services.fill(work.argv, tokens)
        self._job: Job = agent.spawn(
            self._argv,
            timeout_s=services.LONGEST_SERVICE_S,
            output_limit=OUTPUT_BYTES,
            fed=True,
        )
        said = self._job.ask(b"", work.set_up_s)
        if said != READY:
            raise HarnessFault(
                f"{self._job.name} said {said[:40]!r} when it was to be ready",
                hint="the program in the box is not this version's: invoke clean --cache",
            )

    def work(self, amount: int) -> Answer:
        """See Slicer; milliseconds."""
        request = f"{self._slices.lead_ms} {amount}\n".encode("ascii")
        return self._slices.parse(self._job.ask(request, self._slices.timeout_s))

    def end(self) -> None:
        """See Slicer."""
        self._job.end_input()
        services.check(self._argv, self._job.wait(ENDED_S))


class Commands:
    """A command for each slice."""

    def __init__(self, agent: Agent, work: CommandSlices) -> None:
        self._agent, self._slices = agent, work

    def work(self, amount: int) -> Answer:
        """See Slicer; units."""
        command = Command(self._slices.argv, self._slices.timeout_s)
        result = services.execute(command, {Side.BOX: self._agent}, {"count": str(amount)})
        values = self._slices.parse(Output(result.stdout, result.stderr, result.wall_ns))
        rate = dict(values).get(self._slices.rate, 0.0)
        if not 0.0 < rate < float("inf"):
            raise HarnessFault(f"a slice came to {self._slices.rate} = {rate}")
        return Answer(round(amount * 1e9 / rate), values)

    def end(self) -> None:
        """See Slicer: each slice has ended already."""


def slicer(agent: Agent, work: SliceWork, tokens: Mapping[str, str]) -> Slicer:
    """Set up what does the slices in the box of ``agent``, with ``tokens`` filled in."""
    if isinstance(work, ResidentSlices):
        return Resident(agent, work, tokens)
    return Commands(agent, work)


@dataclass(slots=True)
class Seat:
    """One arm in the block, from its box's start to its end.

    What goes wrong is kept in ``outcome``, and the box is removed at once: the block goes on.
    """

    context: Context
    workload: Workload
    work: SliceWork
    slot: Slot
    outcome: Outcome = field(default_factory=Outcome)
    begun_utc: str = ""
    throttled_ns: int | None = None
    """How long CPU quotas held it back in its slices."""
    _life: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _slicer: Slicer | None = None

    @property
    def works(self) -> bool:
        """Whether it can do slices: it is up, and nothing went wrong."""
        return self._slicer is not None

    def enter(self, room: contextlib.ExitStack) -> None:
        """Start the box, check it, set its program up; ``room`` ends it, come what may."""
        self.begun_utc = stamp(self.context.clock.utc())
        room.enter_context(self._life)
        arm = self.slot.arm
        try:
            box = self._life.enter_context(started(self.context, arm.backend, arm.profile))
            self.outcome.box, self.outcome.marks = box, box.marks
            inspect(self.context, box, self.workload.program)
            tokens = places(self.context, box, network=self.workload.needs_network)
            self._slicer = slicer(box.instance.agent, self.work, tokens)
        except FAULTS as error:
            self.fail(error)

    def probe(self, amount: int) -> tuple[int, int] | None:
        """A slice that does not count: its own span and the host's, ns; None where it failed."""
        return self._timed(amount)[1]

    def slice(self, amount: int, number: int, place: int, after: str) -> None:
        """A slice of round ``number``."""
        before_ns = throttling.held_back_ns(self.context.cgroups)
        answer, _ = self._timed(amount)
        after_ns = throttling.held_back_ns(self.context.cgroups)
        if answer is None:
            return
        if before_ns is not None and after_ns is not None:
            self.throttled_ns = (self.throttled_ns or 0) + max(0, after_ns - before_ns)
        self.outcome.neighbours[number] = (place, after)
        self.outcome.readings += [(name, number, value) for name, value in answer.values]

    def leave(self) -> None:
        """End the program and the box."""
        try:
            if self._slicer is not None:
                self._slicer.end()
            self._slicer = None
            self._life.close()
        except FAULTS as error:
            self.fail(error)

    def _timed(self, amount: int) -> tuple[Answer | None, tuple[int, int] | None]:
        if self._slicer is None or self.outcome.box is None:
            return None, None
        clock = self.context.clock
        begun_ns = clock.now_ns()
        try:
            answer = self._slicer.work(amount)
            spans = answer.span_ns, clock.now_ns() - begun_ns
            self.outcome.box.durations.append(spans)
            checked(self.workload, [(name, 0, value) for name, value in answer.values])
        except FAULTS as error:
            self.fail(error)
            return None, None
        return answer, spans

    def fail(self, error: Exception) -> None:
        """It failed of this, unless it has failed already; its box is removed."""
        self._slicer = None
        if not self.outcome.error:
            self.outcome.fail(error)
        # What goes wrong in removing a box that has failed is no second error.
        with contextlib.suppress(*FAULTS):
            self._life.__exit__(type(error), error, error.__traceback__)
        # With the box's own last words, which its end has put beside the error's.
        self.outcome.tail = self.outcome.tail or str(getattr(error, "tail", ""))
