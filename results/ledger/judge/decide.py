"""From a comparison to a verdict: the rule's limits, the interval, the A/A floor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from results.ledger.claims.rules import Direction, Rule, as_margin
from results.ledger.findings import Bound, Verdict
from results.ledger.judge.floors import AaFloor
from results.stats import Comparison, trials_needed
from results.stats.intervals import MINIMUM_TRIALS

ROUNDING = 1e-12
"""Ratios this close to a limit are on it."""
UNDECIDED = "a bound is all there is, and it does not reach the limit"
MOST_BLOCKS = 1e6
"""Beyond it, repetition is no answer."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict of one comparison."""

    verdict: Verdict
    why: str = ""
    more: int | None = None


def decide(
    found: Comparison,
    rule: Rule,
    direction: Direction,
    floor: AaFloor,
    *,
    needs_floor: bool,
    bound: Bound | None = None,
) -> Decision:
    """Whether ``found`` lies inside what ``rule`` claims, outside of it, or cannot say.

    A verdict that calls an effect small needs a floor below the limit; one that calls it large
    needs an effect above the floor.  Of a ratio that is a bound one end counts: the other is open.
    """
    low, high = found.equivalence_low, found.equivalence_high
    if low is None or high is None:
        lacking = max(1, MINIMUM_TRIALS - found.n_units)
        return Decision("inconclusive", _too_few(found), lacking)
    low, high = opened(low, high, bound)
    least, greatest = rule.claimed(direction)
    if _at_least(low, least) and _at_least(greatest, high):
        verdict: Verdict = "supported"
    elif high < least * (1.0 - ROUNDING) or low > greatest * (1.0 + ROUNDING):
        verdict = "refuted"
    elif bound:
        return Decision("not evaluable", UNDECIDED)
    else:
        why = f"the interval holds {_turns(found, rule, direction)}"
        return Decision("inconclusive", why, more_blocks(found, rule, direction))
    if floor.effect is None:
        unknown = f"the smallest effect this machine can show is not known: {floor.reason}"
        return Decision("inconclusive", unknown) if needs_floor else Decision(verdict)
    return _above_floor(found, rule, direction, verdict, floor)


def opened(low: float, high: float, bound: Bound | None) -> tuple[float, float]:
    """An interval's ends, open on the side on which a bound says nothing."""
    return 0.0 if bound == "at-most" else low, math.inf if bound == "at-least" else high


def more_blocks(found: Comparison, rule: Rule, direction: Direction) -> int | None:
    """About how many more blocks would take the interval off every limit of the rule.

    Seen from a limit, the ratio has to differ from it: stats' power function, with its interval
    of two one-sided bounds, and no margin to fall into.  None: no sensible number would.
    """
    low, high = found.equivalence_low, found.equivalence_high
    if low is None or high is None:
        return None
    needed = []
    for limit in rule.limits(direction):
        seen = replace(
            found,
            ratio=found.ratio / limit,
            low=low / limit,
            high=high / limit,
            confidence=1.0 - 2.0 * (1.0 - found.confidence),
            margin=1e-9,
            verdict="inconclusive",
        )
        needed.append(trials_needed(seen).more)
    known = [count for count in needed if count is not None]
    return max(known) if len(known) == len(needed) else None


def _above_floor(
    found: Comparison, rule: Rule, direction: Direction, verdict: Verdict, floor: AaFloor
) -> Decision:
    """The verdict, where this machine can show it.

    The floor is mostly the width of the A/A interval, which shrinks as 1/√n: that tells about
    how many more blocks would lower it far enough.
    """
    smallest = floor.effect or 0.0
    shown = f"the smallest effect this machine can show, {100 * smallest:.2g} %"
    least, greatest = rule.claimed(direction)
    says_small = (least <= 1.0 <= greatest) == (verdict == "supported")
    size = rule.finest(direction) if says_small else as_margin(found.ratio)
    if size > smallest or (says_small and size == smallest):
        return Decision(verdict)
    total = floor.n * (smallest / size) ** 2 if size > 0.0 else math.inf
    more = max(1, math.ceil(total) - floor.n) if total <= MOST_BLOCKS else None
    what = "the limit of" if says_small else "the effect of"
    relation = "is finer than" if says_small else "is within"
    return Decision("inconclusive", f"{what} {100 * size:.2g} % {relation} {shown}", more)


def _at_least(value: float, limit: float) -> bool:
    return value >= limit * (1.0 - ROUNDING) or math.isclose(value, limit, rel_tol=ROUNDING)


def _turns(found: Comparison, rule: Rule, direction: Direction) -> str:
    low, high = found.equivalence_low or 0.0, found.equivalence_high or math.inf
    held = [limit for limit in rule.limits(direction) if low <= limit <= high]
    return "the limit at which the verdict turns" if len(held) < 2 else "both limits of the margin"


def _too_few(found: Comparison) -> str:
    said = "; ".join(found.warnings)
    return f"too few trials for an interval: {said}" if said else "too few trials for an interval"
