"""The stopping rule: blocks are added until every claim is decided, or the budget has ended.

When to look is planned before the first trial (``results.stats.sequential``) and recorded with
the run; between blocks a child is asked (``settling``), and its looks are recorded too, so that a
resumed run spends none of them twice.

What counts against the budget is the time of trials and looks; preparing and the report do not.
Of a run that was killed it is the sum of its recorded trials and looks: a trial that the kill cut
short is made again and costs its time once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from harness.clock import Clock
from harness.errors import HarnessFault, describe
from harness.plan.schedule import Arm, Slot
from harness.progress.progress import Estimate, Observer
from harness.run.loop import Admission
from harness.run.repeats import took_s
from harness.run.settling import Statistician
from results.records.looks import Look, stops
from results.records.records import Run, Trial
from runtimes.faults import RuntimeFault

LOOK_S = 3.0
"""What a look takes until one has been taken."""
Ended = Literal["", "decided", "budget", "maximum"]


class Keeper(Protocol):
    """Where run.json is: ``results.store.store.RunDirectory``."""

    path: Path

    def trials(self) -> Iterable[Trial]:
        """Every trial recorded so far."""
        ...

    def finish(self, run: Run) -> None:
        """Replace run.json."""
        ...


@dataclass(slots=True)
class Stopping:
    """Steers a run (``run.loop.Steering``) by what its looks say and what its budget allows."""

    run: Run
    """run.json as it is, with the looks taken so far."""
    keeper: Keeper
    statistician: Statistician
    clock: Clock
    observer: Observer
    _estimate: Estimate = field(default_factory=Estimate)
    _before_s: float = 0.0
    _begun_ns: int = 0
    _complete: int = 0
    _ended: Ended = ""

    def __post_init__(self) -> None:
        """Count what a killed run has spent already."""
        for trial in self.keeper.trials():
            slot = Slot(
                trial.block, trial.position, Arm(trial.backend, trial.profile), trial.workload
            )
            self._estimate.learn(slot, took_s(trial))
            self._before_s += took_s(trial)
        self._before_s += sum(look.seconds for look in self.run.looks)
        self._begun_ns = self.clock.now_ns()
        if self.run.looks:
            self._ended = self._ended_by(self.run.looks[-1])

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left; negative once it is overrun."""
        spent = self._before_s + (self.clock.now_ns() - self._begun_ns) / 1e9
        return (self.run.budget_s or math.inf) - spent

    def admit(self, block: Sequence[Slot]) -> Admission:
        """Whether the block is to be run; takes the look that is due before it."""
        if not self._ended:
            self._ended = self._ends_before(block)
        if self._ended:
            return "stop"
        return "run" if self._needed(block[0].workload) else "skip"

    def learn(self, slot: Slot, seconds: float) -> None:
        """A trial took so long."""
        self._estimate.learn(slot, seconds)

    def conclude(self) -> Run:
        """Take the last look, where one is due; run.json with why each claim stopped."""
        trials = list(self.keeper.trials())
        taken = self.run.looks[-1] if self.run.looks else None
        due = self._ended != "decided" and not (taken and taken.last)
        if due and trials and self.run.planned_looks:
            blocks = max(self._round_of(each.workload, each.block) for each in trials)
            taken = self._take(blocks, last=True) or taken
        if taken:
            ended_by: Literal["budget", "maximum"]
            ended_by = "budget" if self._ended == "budget" else "maximum"
            self.run = dataclasses.replace(self.run, stops=stops(taken, ended_by))
            for stop in self.run.stops:
                if stop.more is not None:
                    open_ = f"{stop.claim} is open after {stop.blocks} blocks"
                    self.observer.note(f"{open_}: about {stop.more} more would settle it")
        return self.run

    def _ends_before(self, block: Sequence[Slot]) -> Ended:
        """Why no more is run, after the look that is due; empty where there is no reason."""
        if not self._affords(block):
            self.observer.note("the budget has ended: it does not last for another block")
            return "budget"
        complete = self._round_of(block[0].workload, block[0].block) - 1
        if complete <= self._complete:
            return ""
        self._complete = complete
        taken = max((look.blocks for look in self.run.looks), default=0)
        planned = any(each.blocks == complete for each in self.run.planned_looks)
        look = self._take(complete, last=False) if planned and complete > taken else None
        return self._ended_by(look) if look else ""

    def _ended_by(self, look: Look) -> Ended:
        if look.last:
            return "maximum" if look.blocks == self.run.blocks else "budget"
        return "" if look.going_on else "decided"

    def _affords(self, block: Sequence[Slot]) -> bool:
        """Whether the block and a look after it fit; the first is tried, as nobody knows."""
        expected = self._estimate.remaining_s(block)
        look_s = max((look.seconds for look in self.run.looks), default=LOOK_S)
        return expected is None or expected + look_s <= self.left_s

    def _needed(self, workload: str) -> bool:
        return not self.run.looks or workload in self.run.looks[-1].going_on

    def _round_of(self, workload: str, block: int) -> int:
        """Which of the blocks as ``--blocks`` counts them, from 1."""
        return math.ceil(block / self.run.rounds.get(workload, 1))

    def _take(self, blocks: int, *, last: bool) -> Look | None:
        """Look, record it; None, and a note, where the statistics fail: then nothing is spent."""
        self.observer.doing(f"looking at {blocks} blocks")
        begun_ns = self.clock.now_ns()
        try:
            look = self.statistician.look(self.keeper.path, blocks, self.run.blocks, last=last)
        except (RuntimeFault, HarnessFault) as error:
            said = f"no look could be taken at {blocks} blocks: {_reason(error)}"
            self.observer.note(said)
            self._record(notes=(*self.run.notes, said))
            return None
        look = dataclasses.replace(look, seconds=(self.clock.now_ns() - begun_ns) / 1e9)
        # A last look at the data of the look before spends more on the same: it takes its place.
        earlier = [each for each in self.run.looks if each.trials < look.trials]
        self._tell(look)
        self._record(looks=(*earlier, look))
        return look

    def _record(self, **changes: object) -> None:
        self.run = dataclasses.replace(self.run, **changes)  # type: ignore[arg-type]  # by name
        self.keeper.finish(self.run)

    def _tell(self, look: Look) -> None:
        open_ = sum(each.state == "go on" for each in look.claims)
        counts = f"{len(look.decided)} claims are decided, {open_} are open"
        self.observer.note(f"after {look.blocks} blocks {counts}")
        if all(each.state == "not evaluable" for each in look.claims):
            self.observer.note("no claim can be judged by this run")
        if look.last:
            return
        names = {each.name for each in self.run.workloads}
        known = self.run.looks[-1].going_on if self.run.looks else names
        for name in sorted(known - look.going_on):
            self.observer.note(f"no open claim needs {name}: it gets no more blocks")


def planned(run: Run, statistician: Statistician, observer: Observer) -> Run:
    """``run`` with its looks; with a note where nobody can plan them: then nothing stops early."""
    if run.budget_s is None:
        return run
    try:
        return dataclasses.replace(run, planned_looks=statistician.plan(run.blocks))
    except (RuntimeFault, HarnessFault) as error:
        said = f"no look can be planned, so nothing stops early: {_reason(error)}"
        observer.note(said)
        return dataclasses.replace(run, notes=(*run.notes, said))


def resumed(run: Run, before: Run) -> Run:
    """``run`` with what the killed run has planned and spent."""
    kept: Mapping[str, object] = {
        name: getattr(before, name)
        for name in ("created_utc", "budget_s", "planned_looks", "looks", "notes")
    }
    return dataclasses.replace(run, **kept)  # type: ignore[arg-type]  # by name


def _reason(error: RuntimeFault | HarnessFault) -> str:
    """What went wrong, with the last line that the child wrote."""
    message, _, tail = describe(error)
    return f"{message} ({tail.splitlines()[-1]})" if tail else message
