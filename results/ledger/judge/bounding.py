"""Evidence that bounds: what an arm that cannot be judged by what it did says all the same.

An emulated guest says nothing of speed.  Its memory is memory: the guest's own, which does not
depend on who executes its instructions, is a part of what the same box takes without emulation.
Samples of that kind carry the mark ``at-least``; a part of a claim names the metric that they are
of (``bound_by``).  A ratio made with them is a bound itself, and decides on the side on which the
true one lies still further from the limit, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from results.ledger.claims.schema import Part
from results.ledger.findings import Bound
from results.ledger.judge.evidence import Evidence, Values
from results.records.records import EMULATED

WARNING = (
    "{arm} was emulated: what counts of it is {metric} alone, which emulation does not change, as "
    "the least that it takes; nothing rests on its speed"
)


@dataclass(frozen=True, slots=True)
class Bounded:
    """One arm of a comparison, known by a bound."""

    arm: str
    least: Values
    """It takes at least so much."""
    ratio: Bound
    """What the ratio candidate ÷ baseline made with them is."""


def bounded(part: Part, baseline: str, candidate: str, evidence: Evidence) -> Bounded | None:
    """The arm of the two that only a bound is known of; None where none is, or both are.

    Two bounds from below say nothing of their ratio.
    """
    if not part.bound_by or not _comparable(part, evidence):
        return None
    emulated = [arm for arm in (baseline, candidate) if evidence.never_valid.get(arm) == EMULATED]
    if len(emulated) != 1:
        return None
    arm = emulated[0]
    values = evidence.bounds.get((part.workload, part.bound_by, arm))
    if values is None or not values.means.size:
        return None
    return Bounded(arm, values, "at-least" if arm == candidate else "at-most")


def _comparable(part: Part, evidence: Evidence) -> bool:
    """Whether the bound is a quantity of the same kind: one unit and one direction for both."""
    kinds = [evidence.metrics.get((part.workload, name)) for name in (part.metric, part.bound_by)]
    first, second = kinds
    return first is not None and first == second
