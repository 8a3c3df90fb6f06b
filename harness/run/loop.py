"""Run the scheduled trials one after another, each recorded before the next begins.

A trial that something outside disturbed is repeated at the end of its block, as a next attempt:
close to the trials that it is compared with, at most as often as ``harness.run.repeats`` allows.
What has been done is read from the journal, so a resumed run repeats no more than one that was
never killed.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from harness.journal import Journal
from harness.plan.schedule import Slot
from harness.progress.progress import Observer
from harness.run.repeats import Repeats
from harness.trial.context import Context
from harness.trial.slices.block import lacking, run_block, together
from harness.trial.trial import run_trial
from results.gating import online_cpus
from results.records.records import Trial

Admission = Literal["run", "skip", "stop"]


class Steering(Protocol):
    """Says how far a run goes: ``harness.run.stopping.Stopping``."""

    def admit(self, block: Sequence[Slot]) -> Admission:
        """Whether these trials of a block are to be run; ``stop``: neither they nor any after."""
        ...

    def learn(self, slot: Slot, seconds: float) -> None:
        """A trial took so long."""
        ...


class Unsteered:
    """A fixed design: everything planned is run."""

    def admit(self, block: Sequence[Slot]) -> Admission:
        """See Steering."""
        del block
        return "run"

    def learn(self, slot: Slot, seconds: float) -> None:
        """See Steering."""


@dataclass(slots=True)
class Tally:
    """How the trials ended."""

    ok: int = 0
    invalid: int = 0
    failed: int = 0
    repeats: int = 0
    """Of all these, how many were repeats of a disturbed trial."""

    def count(self, trial: Trial) -> None:
        """One more."""
        match trial.status:
            case "ok":
                self.ok += 1
            case "invalid":
                self.invalid += 1
            case "failed":
                self.failed += 1


def run_all(
    context: Context,
    slots: Sequence[Slot],
    journal: Journal,
    observer: Observer,
    steering: Steering | None = None,
) -> Tally:
    """Run those of ``slots`` that the journal does not have yet, in order; repeat disturbed ones.

    A trial that fails is recorded, not repeated, and the others go on.  ``steering`` is asked
    before each block that has something left to run, and before each repeat.
    """
    steering = steering or Unsteered()
    repeats = Repeats(
        online=online_cpus(context.host),
        told=observer.note,
        # With a budget nobody knows what will be run: then only what has been run counts.
        sure=slots if isinstance(steering, Unsteered) else (),
    )
    for trial in journal.recorded():
        repeats.learn(trial)
    runner = _Runner(context, journal, observer, repeats, steering)
    rest = [slot for slot in slots if not repeats.done(slot)]
    for _, each in itertools.groupby(slots, _block_of):
        block = list(each)
        missing = [slot for slot in block if not repeats.done(slot)]
        again = [slot for slot in block if repeats.wanted(slot)]
        admission = steering.admit(missing or again) if missing or again else "run"
        if admission == "stop":
            break
        ahead, rest = rest, rest[len(missing) :]
        if admission == "skip":
            continue
        sliced = runner.together(block) if missing else []
        if any(slot in sliced for slot in missing):
            # What a kill has cut off is paired with nothing: the whole block is done again.
            runner.run_sliced(sliced, ahead)
            missing = [slot for slot in missing if slot not in sliced]
            ahead = [*missing, *rest]
        for place, slot in enumerate(missing):
            runner.run(slot, ahead[place:])
        for slot in _disturbed(block, repeats):
            if steering.admit([slot]) != "run":
                break
            observer.note(f"{slot.trial_id} was disturbed: repeating it")
            runner.tally.repeats += 1
            runner.run(slot, [slot, *rest])
    return runner.conclude()


def _block_of(slot: Slot) -> tuple[str, int]:
    return slot.workload, slot.block


def _disturbed(block: Sequence[Slot], repeats: Repeats) -> Iterator[Slot]:
    """Slots of the block to run once more, in turn, until none is left."""
    while wanted := [slot for slot in block if repeats.wanted(slot)]:
        for slot in wanted:
            if repeats.wanted(slot):  # the last one may have used up what was allowed
                yield slot


@dataclass(slots=True)
class _Runner:
    context: Context
    journal: Journal
    observer: Observer
    repeats: Repeats
    steering: Steering
    tally: Tally = field(default_factory=Tally)
    _writing_ns: int = 0
    _told: set[str] = field(default_factory=set)
    _made: set[tuple[str, int]] = field(default_factory=set)

    def run(self, slot: Slot, remaining: Sequence[Slot]) -> None:
        """One trial, recorded."""
        clock = self.context.clock
        self.observer.starting(slot, remaining)
        begun_ns = clock.now_ns()
        trial, samples = run_trial(self.context, slot, self.journal.next_attempt(slot.trial_id))
        ended_ns = clock.now_ns()
        # What writing this record takes can only be told by the next one.
        own_ns = trial.bookkeeping_ns + self._writing_ns
        self.journal.append(dataclasses.replace(trial, bookkeeping_ns=own_ns), samples)
        self._writing_ns = clock.now_ns() - ended_ns
        self._learn(slot, trial, (ended_ns - begun_ns) / 1e9)

    def together(self, block: Sequence[Slot]) -> list[Slot]:
        """Those of the block that work in slices; says once where memory does not suffice."""
        slots = together(self.context, block)
        short = lacking(self.context, len(slots))
        if not short:
            return slots
        workload = block[0].workload
        if workload not in self._told:
            self._told.add(workload)
            self.observer.note(f"{workload} runs one trial after another: {short}")
        return []

    def run_sliced(self, slots: Sequence[Slot], remaining: Sequence[Slot]) -> None:
        """The trials of a block that work in slices, recorded when all of them have ended."""
        clock = self.context.clock
        self.observer.starting(slots[0], remaining)
        begun_ns = clock.now_ns()
        records = run_block(self.context, slots, self.journal.next_attempt)
        self.journal.extend(records)
        seconds = (clock.now_ns() - begun_ns) / 1e9 / len(slots)
        for slot, (trial, _) in zip(slots, records, strict=True):
            self._learn(slot, trial, seconds)

    def _learn(self, slot: Slot, trial: Trial, seconds: float) -> None:
        self._made.add((trial.trial_id, trial.attempt))
        self.repeats.learn(trial)
        self.steering.learn(slot, seconds)
        self.observer.finished(slot, seconds, trial.error)

    def conclude(self) -> Tally:
        """How the trials of this invocation ended, now that they can be judged together."""
        for trial in self.repeats.judged():
            if (trial.trial_id, trial.attempt) in self._made:
                self.tally.count(trial)
        return self.tally
