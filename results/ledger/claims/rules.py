"""The typed rules: which ratios candidate ÷ baseline a claim allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from results.ledger.numbers import SPACE

RuleKind = Literal["equivalence", "loss-at-most", "superiority", "ratio-at-least", "ratio-at-most"]
Direction = Literal["higher", "lower"]

MEANINGS: Mapping[RuleKind, str] = {
    "equivalence": "the candidate is within ±margin of the baseline",
    "loss-at-most": "the candidate is worse than the baseline by at most the margin",
    "superiority": "the baseline is better than the candidate by more than the margin",
    "ratio-at-least": "candidate ÷ baseline is at least the factor",
    "ratio-at-most": "candidate ÷ baseline is at most the factor",
}
SHARES = frozenset({"equivalence", "loss-at-most", "superiority"})
"""Rules with a ``margin`` in (0, 1); the others have a ``factor`` above 0."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold of the ratio."""

    kind: RuleKind
    value: float
    """The margin, a share in (0, 1), or the factor."""

    def claimed(self, direction: Direction) -> tuple[float, float]:
        """Least and greatest ratio candidate ÷ baseline that the rule allows, 0 and ∞ included.

        "Worse by x" is 1 − x times a value of which more is better, and 1 + x times one of which
        less is better: "5 % less", "takes 5 % more".
        """
        worse = 1.0 - self.value if direction == "higher" else 1.0 + self.value
        if self.kind == "equivalence":
            return 1.0 - self.value, 1.0 / (1.0 - self.value)
        if self.kind == "ratio-at-least":
            return self.value, math.inf
        if self.kind == "ratio-at-most":
            return 0.0, self.value
        at_least = (self.kind == "loss-at-most") == (direction == "higher")
        return (worse, math.inf) if at_least else (0.0, worse)

    def limits(self, direction: Direction) -> tuple[float, ...]:
        """The ratios at which the verdict turns."""
        return tuple(end for end in self.claimed(direction) if 0.0 < end < math.inf)

    def finest(self, direction: Direction) -> float:
        """How far the nearest limit is from 1, as a margin: 1 − exp(−abs(ln limit))."""
        return min(as_margin(limit) for limit in self.limits(direction))

    @property
    def words(self) -> str:
        """The rule in a few words."""
        return {
            "equivalence": f"within ±{100 * self.value:g}{SPACE}%",
            "loss-at-most": f"worse by at most {100 * self.value:g}{SPACE}%",
            "superiority": f"baseline better by more than {100 * self.value:g}{SPACE}%",
            "ratio-at-least": f"at least {self.value:g}{SPACE}times",
            "ratio-at-most": f"at most {self.value:g}{SPACE}times",
        }[self.kind]


def as_margin(ratio: float) -> float:
    """A ratio's distance from 1 as ``results.stats`` counts floors: 0 for 1, 0.5 for ½ and 2."""
    return -math.expm1(-abs(math.log(ratio)))
