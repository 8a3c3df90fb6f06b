"""Records of a run that stops when its claims are settled.  Standard library only.

``blocks`` counts as ``--blocks`` does: a workload with several rounds has that many times more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StopReason = Literal["decided", "budget", "maximum", "unanswerable", "not looked"]


@dataclass(frozen=True, slots=True)
class PlannedLook:
    """A look at the data, fixed before there were any."""

    blocks: int
    difference: float
    """Nominal two-sided error probability of the interval that tells a difference."""
    equivalence: float
    """The same of the interval whose ends are one-sided bounds: that verdicts rest on."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look that was taken: what it spent, on which data, and what it decided."""

    blocks: int
    difference: float
    equivalence: float
    """As in ``PlannedLook``; a last look spends all that was left."""
    trials: int
    """It saw the first so many records of the journal, and nothing after them."""
    seconds: float
    """What it took; counted in the budget."""
    decided: tuple[str, ...] = ()
    """Ids of the claims that are decided, now or at an earlier look."""
    going_on: tuple[str, ...] = ()
    """Workloads that undecided claims still need."""
    last: bool = False
    """Nothing is looked at after it."""


@dataclass(frozen=True, slots=True)
class ClaimStop:
    """Why no more trials were made for a claim."""

    claim: str
    """Its id."""
    reason: StopReason
    """``decided``; ``budget`` or ``maximum`` ended first; ``unanswerable``: what is missing is no
    trials; ``not looked``: the statistics could not be asked."""
    blocks: int
    """At how many it was decided, else how many it had."""
    more: int | None = None
    """About how many more blocks would settle it; None where it is, or nobody can say."""
