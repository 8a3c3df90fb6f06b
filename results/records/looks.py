"""Records of a run that stops when its claims are settled.  Loads nothing but msgspec.

``blocks`` counts as ``--blocks`` does: a workload with several rounds has that many times more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from results.records.bounds import Blocks, Count, Probability, Seconds

State = Literal["decided", "go on", "unanswerable", "not evaluable"]
StopReason = Literal["decided", "budget", "maximum", "unanswerable"]


@dataclass(frozen=True, slots=True)
class PlannedLook:
    """A look at the data, fixed before there were any."""

    blocks: Blocks
    difference: Probability
    """Nominal two-sided error probability of the interval that tells a difference."""
    equivalence: Probability
    """The same of the interval whose ends are one-sided bounds: verdicts rest on it."""


@dataclass(frozen=True, slots=True)
class ClaimState:
    """How far one claim is."""

    claim: str
    """Its id."""
    state: State
    """``unanswerable``: what is missing is something else than trials; ``not evaluable``: this
    run's arms and workloads cannot judge it."""
    verdict: str
    decided_at: Blocks | None = None
    """Blocks at the look that decided it."""
    more: Count | None = None
    """About how many more blocks would settle it, from the variance seen; None: nobody can say."""
    needs: tuple[str, ...] = ()
    """Workloads whose trials would settle it."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look that was taken: what it spent, on which data, and what it found."""

    blocks: Blocks
    difference: Probability
    equivalence: Probability
    """As in ``PlannedLook``; a last look spends all that was left."""
    trials: Count
    """It saw the first so many records of the journal, and nothing after them."""
    claims: tuple[ClaimState, ...]
    last: bool = False
    """Nothing is looked at after it."""
    seconds: Seconds = 0.0
    """What it took; counted in the budget."""

    @property
    def decided(self) -> frozenset[str]:
        """Ids of the claims that are decided, by this look or an earlier one."""
        return frozenset(each.claim for each in self.claims if each.state == "decided")

    @property
    def going_on(self) -> frozenset[str]:
        """Workloads that undecided claims still need."""
        return frozenset(name for each in self.claims for name in each.needs)


@dataclass(frozen=True, slots=True)
class ClaimStop:
    """Why no more trials were made for a claim."""

    claim: str
    """Its id."""
    reason: StopReason
    """``decided``; ``budget`` or ``maximum`` ended first; ``unanswerable``: what is missing is
    something else than trials."""
    blocks: Blocks
    """At how many it was decided, else how many it had."""
    more: Count | None = None
    """About how many more blocks would settle it; None where it is, or nobody can say."""


def stops(look: Look, ended_by: Literal["budget", "maximum"]) -> tuple[ClaimStop, ...]:
    """What ``look``, the last one, means for every claim that the run can judge."""
    found = []
    for each in look.claims:
        if each.state == "decided":
            found.append(ClaimStop(each.claim, "decided", each.decided_at or look.blocks))
        elif each.state == "unanswerable":
            found.append(ClaimStop(each.claim, "unanswerable", look.blocks))
        elif each.state == "go on":
            found.append(ClaimStop(each.claim, ended_by, look.blocks, each.more))
    return tuple(found)
