"""Run the scheduled trials one after another, each recorded before the next begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.context import Context
from harness.progress import Observer
from harness.schedule import Slot
from harness.trial import run_trial
from results.records import Sample, Trial


class Journal(Protocol):
    """Where trials are recorded: ``results.store.RunDirectory``."""

    def next_attempt(self, trial_id: str) -> int:
        """Number of the attempt that begins now."""
        ...

    def append(self, trial: Trial, samples: Sequence[Sample]) -> None:
        """Record one trial; durable on return."""
        ...


@dataclass(slots=True)
class Tally:
    """How the trials ended."""

    ok: int = 0
    invalid: int = 0
    failed: int = 0

    def count(self, trial: Trial) -> None:
        """One more."""
        match trial.status:
            case "ok":
                self.ok += 1
            case "invalid":
                self.invalid += 1
            case "failed":
                self.failed += 1


def run_all(context: Context, slots: Sequence[Slot], journal: Journal, observer: Observer) -> Tally:
    """Run ``slots`` in order; a trial that fails is recorded and the others go on."""
    tally, clock = Tally(), context.clock
    writing_ns = 0
    for index, slot in enumerate(slots):
        observer.starting(slot, slots[index:])
        begun_ns = clock.now_ns()
        trial, samples = run_trial(context, slot, journal.next_attempt(slot.trial_id))
        ended_ns = clock.now_ns()
        # What writing this record takes can only be told by the next one.
        own_ns = trial.bookkeeping_ns + writing_ns
        journal.append(dataclasses.replace(trial, bookkeeping_ns=own_ns), samples)
        writing_ns = clock.now_ns() - ended_ns
        tally.count(trial)
        observer.finished(slot, (ended_ns - begun_ns) / 1e9, trial.error)
    return tally
