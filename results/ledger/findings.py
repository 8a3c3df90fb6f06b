"""What judging gives: findings of single comparisons and verdicts of claims, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from results.ledger.claims.rules import Rule
from results.stats import Comparison
from results.stats.interleaved import Carried

Verdict = Literal["supported", "refuted", "mixed", "inconclusive", "not evaluable"]
"""``mixed``: of several comparisons some support, some refute; one alone never is."""

Bound = Literal["at-least", "at-most"]
"""What a value that bounds says of the true one."""


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
    place: int = 0
    """Of its part in the claim."""
    more_s: float | None = None
    """Seconds that these blocks would take, by what blocks took in this run; None where unknown."""
    carried: Carried | None = None
    """Of work in slices: what the candidate leaves to the slice after it."""
    bound: Bound | None = None
    """The ratio is a bound of the true one: it counts on the side on which it is safe, only."""

    @property
    def judged(self) -> bool:
        """Whether there was anything to judge."""
        return self.verdict != "not evaluable"


@dataclass(frozen=True, slots=True)
class PartVerdict:
    """What a run says of one part of a claim."""

    name: str
    """Of its own within the claim: parts of one name are told apart by their arms."""
    verdict: Verdict
    said: str
    """What was found, or why nothing was."""
    holds: tuple[str, ...]
    """Arms of which it holds."""
    fails: tuple[str, ...]
    findings: tuple[int, ...]
    """Indices of its comparisons among the claim's."""
    awaited: bool
    """Not looked for by this run: no run can hold it yet, or it is optional."""
    optional: bool
    more: int | None
    """About how many more blocks of its workload would settle it."""
    more_s: float | None
    bounded: bool
    """It rests on a bound."""

    @property
    def measured(self) -> bool:
        """Whether there was anything to judge."""
        return self.verdict != "not evaluable"


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What a run says of a claim."""

    claim: str
    """Its id."""
    verdict: Verdict
    headline: str
    """The verdict with what belongs to it: the parts by name, what more would cost, or why not."""
    sentence: str
    """For somebody who decides."""
    parts: tuple[PartVerdict, ...]
    decisive: int | None
    """Index of the finding that the sentence tells of."""
    more: int | None
    """About how many more blocks would settle it."""
    more_s: float | None
    """Seconds that they would take, of the workloads that need them."""
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
