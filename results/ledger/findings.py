"""What judging gives: findings of single comparisons and verdicts of claims, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from results.ledger.rules import Rule
from results.stats import Comparison

Verdict = Literal["supported", "refuted", "inconclusive", "not evaluable"]


@dataclass(frozen=True, slots=True)
class Side:
    """One arm of a comparison."""

    arm: str
    median: float | None
    """Of its trial-level values, in the metric's unit."""
    trials: tuple[str, ...]
    """Ids of the trials that the verdict rests on."""
    blocks: tuple[int, ...]
    """Of each of these trials."""
    means: tuple[float, ...]
    """Of each of these trials: the mean of its iterations."""
    invalid: Mapping[str, int]
    """Trials left out, by reason."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One candidate against one baseline in one metric."""

    part: str
    workload: str
    metric: str
    unit: str
    direction: str
    rule: Rule
    verdict: Verdict
    why: str
    """Why it is not settled or not judged; empty where it is settled."""
    baseline: Side
    candidate: Side
    comparison: Comparison | None
    """Intervals: ``equivalence_low`` and ``_high`` each hold with 95 % certainty."""
    floor: float | None
    """The A/A floor as a margin; None where unknown."""
    more: int | None
    """About how many more blocks would settle it; None where settled or unknown."""
    warnings: tuple[str, ...]
    iterations: int
    """In each trial, at most."""
    awaited: bool = False
    """No run can hold it yet."""
    decided_at: int | None = None
    """In a run with a budget: the blocks at the look that settled it; later data did not count."""


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What a run says of a claim."""

    claim: str
    """Its id."""
    verdict: Verdict
    sentence: str
    """For somebody who decides."""
    decisive: int | None
    """Index of the finding that the sentence tells of."""
    more: int | None
    """About how many more blocks would settle it."""
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
