"""Where trials are recorded, as those see it who record them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from results.records.records import Sample, Trial


class Journal(Protocol):
    """Where trials are recorded: ``results.store.store.RunDirectory``."""

    def recorded(self) -> Iterable[Trial]:
        """Every trial recorded so far, as it was recorded."""
        ...

    def next_attempt(self, trial_id: str) -> int:
        """Number of the attempt that begins now."""
        ...

    def append(self, trial: Trial, samples: Sequence[Sample]) -> None:
        """Record one trial; durable on return."""
        ...

    def extend(self, records: Sequence[tuple[Trial, Sequence[Sample]]]) -> None:
        """Record trials that ended together; durable on return."""
        ...
