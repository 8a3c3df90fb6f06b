"""What a ledger holds, checked and resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from results.ledger.claims.rules import Rule

Combine = Literal["every", "any"]


@dataclass(frozen=True, slots=True)
class Part:
    """One quantity that a claim is judged by."""

    name: str
    """A few words, as they stand in sentences: ``TCP throughput``."""
    workload: str
    metric: str
    rule: Rule
    baseline: str
    """An arm, or a group of arms (see ``vocabulary``)."""
    candidates: tuple[str, ...]
    """Arms or groups."""
    awaits: str = ""
    """What must come first; empty where a run can hold it today."""
    optional: bool = False
    """A run that cannot judge it is judged by the other parts, and says what is missing."""
    bound_by: str = ""
    """Metric of the same workload whose samples may bound this one, where none of it counts."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement with the rule that judges it, fixed before the data is seen."""

    id: str
    claim: str
    """In plain words."""
    source: str
    refuted_by: str
    """What would refute it."""
    parts: tuple[Part, ...]
    combine: Combine
    awaits: str
    """What must come first for the whole claim; empty where it has parts."""
    if_supported: str
    """What it means for the reader."""
    if_refuted: str
    origin: str
    """``built in``, or the user's file."""
    line: int
    """Where it begins in that file."""
    holds_for: str = "it holds for"
    """Before the names of the parts that hold: ``a VM costs``."""
    fails_for: str = "not for"
    """Before those that do not: ``not``."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Claims in order."""

    claims: tuple[Claim, ...]
    digest: str
    """sha256 over the files it was read from: the rules that a verdict was reached by."""

    def claim(self, name: str) -> Claim | None:
        """The claim with this id."""
        return next((each for each in self.claims if each.id == name), None)
