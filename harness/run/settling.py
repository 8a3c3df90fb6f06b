"""Asking the statistics whether a run is settled: in a child, so that the measurer stays lean.

The child runs between trials, never beside one, on the harness's CPUs, which it inherits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

from harness import statistics_child
from results.records.looks import Look, PlannedLook

TIMEOUT_S = 120.0

T = TypeVar("T")


class Statistician(Protocol):
    """Whom to ask."""

    def plan(self, maximum: int) -> tuple[PlannedLook, ...]:
        """When to look, and with which certainty, in at most ``maximum`` blocks.

        Raises:
            RuntimeFault, HarnessFault: it cannot say.
        """
        ...

    def look(self, run: Path, blocks: int, maximum: int, *, last: bool) -> Look:
        """What the run in the directory ``run`` shows after ``blocks`` blocks.  Raises as above."""
        ...


class Child:
    """``python -m results.ledger.settle``."""

    def plan(self, maximum: int) -> tuple[PlannedLook, ...]:
        """See Statistician."""
        return _ask(["--maximum", str(maximum)], tuple[PlannedLook, ...])

    def look(self, run: Path, blocks: int, maximum: int, *, last: bool) -> Look:
        """See Statistician."""
        asked = [str(run.resolve()), "--blocks-done", str(blocks), "--maximum", str(maximum)]
        return _ask([*asked, *(["--last"] if last else [])], Look)


def _ask(arguments: list[str], kind: type[T]) -> T:
    return statistics_child.ask(
        "results.ledger.settle",
        kind,
        *arguments,
        timeout_s=TIMEOUT_S,
        hint="the data are safe; invoke report judges them later",
    )
