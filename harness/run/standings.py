"""While a fixed design runs: between blocks, show how the claims stand.  It steers nothing.

A child judges what there is (``results.ledger.standing``), never beside a trial or a slice, on the
harness's CPUs, which it inherits, and at the lowest priority.  What that takes is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness import statistics_child
from harness.clock import Clock
from harness.errors import HarnessFault
from harness.plan.schedule import Slot
from harness.progress.progress import Estimate
from harness.run.loop import Admission, Unsteered
from results.records.standings import Standing
from runtimes.faults import RuntimeFault

FIRST = 2
"""Blocks before which nothing is shown."""
EVERY_S = 20.0
"""Not more often."""
SHARE = 0.02
"""Of the run's time, done and expected: all judging together takes no more."""
EXPECTED_S = 4.0
"""What judging takes until it has been done: loading the statistics is most of it."""
TIMEOUT_S = 30.0
LOWEST = 19
"""Of nice(1)."""

Standings = tuple[Standing, ...]


class Board(Protocol):
    """Where it is shown: ``harness.progress.progress.TerminalObserver``."""

    def stands(self, standings: Sequence[Standing], blocks: int) -> None:
        """So the claims stand after so many blocks."""
        ...

    def note(self, text: str) -> None:
        """Something a reader should know."""
        ...


class Judge(Protocol):
    """Whom to ask."""

    def __call__(self, run: Path) -> Standings:
        """How the claims stand.  Raises RuntimeFault, HarnessFault: it cannot say."""
        ...


def ask(run: Path, timeout_s: float = TIMEOUT_S) -> Standings:
    """Ask a child."""
    return statistics_child.ask(
        "results.ledger.standing",
        Standings,
        str(run.resolve()),
        timeout_s=timeout_s,
        hint="the data are safe; invoke claims judges them later",
        niceness=LOWEST,
    )


@dataclass(slots=True)
class Showing(Unsteered):
    """Runs everything that is planned (``harness.run.loop.Steering``), and shows how it stands."""

    run: Path
    slots: Sequence[Slot]
    """Everything planned."""
    rounds: Mapping[str, int]
    """Workload → blocks of its own in each block, where more than one."""
    clock: Clock
    board: Board
    judge: Judge = ask
    _estimate: Estimate = field(default_factory=Estimate)
    _begun_ns: int = 0
    _shown_ns: int | None = None
    _seen: int = 0
    """Complete blocks at which it was last thought of."""
    _spent_s: float = 0.0
    _expected_s: float = EXPECTED_S
    _broken: bool = False

    def __post_init__(self) -> None:
        """Time counts from now."""
        self._begun_ns = self.clock.now_ns()

    def admit(self, block: Sequence[Slot]) -> Admission:
        """See Steering: always; where a block has ended, after showing how the claims stand."""
        complete = self._round_of(block[0]) - 1
        if complete > self._seen:
            self._seen = complete
            if complete >= FIRST and not self._broken and self._due() and self._affords(complete):
                self._show(complete)
        return "run"

    def learn(self, slot: Slot, seconds: float) -> None:
        """See Steering."""
        self._estimate.learn(slot, seconds)

    def _round_of(self, slot: Slot) -> int:
        return math.ceil(slot.block / self.rounds.get(slot.workload, 1))

    def _due(self) -> bool:
        return self._shown_ns is None or self.clock.now_ns() - self._shown_ns >= EVERY_S * 1e9

    def _affords(self, complete: int) -> bool:
        """Whether once more keeps all of it within its share."""
        ahead = [slot for slot in self.slots if self._round_of(slot) > complete]
        expected_s = self._estimate.remaining_s(ahead)
        if expected_s is None:
            return False  # resumed: nothing has been timed yet
        whole_s = (self.clock.now_ns() - self._begun_ns) / 1e9 + expected_s
        return self._spent_s + self._expected_s <= SHARE * whole_s

    def _show(self, complete: int) -> None:
        begun_ns = self.clock.now_ns()
        try:
            found = self.judge(self.run)
        except (RuntimeFault, HarnessFault) as fault:
            self._broken = True
            self.board.note(f"how the claims stand is not shown: {fault}")
            return
        self._shown_ns = self.clock.now_ns()
        self._expected_s = (self._shown_ns - begun_ns) / 1e9
        self._spent_s += self._expected_s
        self.board.stands(found, complete)
