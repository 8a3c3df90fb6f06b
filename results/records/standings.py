"""How claims stand while a run goes on: shown, and nothing else.  Loads no statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Standing:
    """One claim that the run can judge, as its data are by now."""

    claim: str
    """Its id."""
    verdict: Literal["supported", "refuted", "mixed", "inconclusive"]
    ratio: float | None
    """Of the comparison that decides it, or of one that is open: candidate to baseline."""
    low: float | None
    high: float | None
    """Its 90 % interval, each end a bound at 95 %; None with too few blocks."""
