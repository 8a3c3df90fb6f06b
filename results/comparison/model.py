"""What a comparison of two sides is made from, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from results.ledger.judge.evidence import Evidence
from results.records.records import Direction, Run
from results.stats import Comparison

CONFIDENCE = 0.95
MARGIN = 0.02
"""What counts as no change where nothing else is said: the ledger's margin for speed."""

Verdict = Literal["better", "worse", "no change", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Side:
    """A run with its evidence."""

    run: Run
    evidence: Evidence
    arm: str
    """The arm that was selected; empty: all."""
    damage: tuple[str, ...] = ()
    """What is damaged in the run's files and was left out."""
    caution: str = ""
    """What nobody can check of it; empty where all was checked."""


@dataclass(frozen=True, slots=True)
class Change:
    """One metric in one pair of arms: B against A."""

    workload: str
    metric: str
    unit: str
    direction: Direction
    arm_a: str
    arm_b: str
    median_a: float
    median_b: float
    comparison: Comparison
    """Baseline A, candidate B; its ``verdict`` is that of this comparison alone, its ``margin``
    what counts as no change here."""
    floor: float | None
    """The larger A/A floor of both runs, as a margin; None: not known."""
    verdict: Verdict
    why: str
    """Why it is inconclusive; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """All of them."""

    changes: tuple[Change, ...]
    paired: bool
    """All by block: both sides are of one run that has blocks."""
    margin: float
    left_out: tuple[str, ...]
    """What one side has and the other has not, or what cannot be compared, and why."""
    cautions: tuple[str, ...]

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Changes for the worse."""
        return tuple(change for change in self.changes if change.verdict == "worse")
