"""What this machine can show at least, and how many more trials would settle it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy.special import ndtri, stdtrit

from results.stats.compare import Comparison, Verdict, compare
from results.stats.pairing import Blocks
from results.stats.values import Trials, fraction

LIMIT = 1_000_000
"""Trials beyond which "how many more" is answered by "not by repetition"."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The smallest effect that an A/A pair shows, i.e. that means nothing here."""

    effect: float | None
    """As a margin: the A/A interval lies in [1 − effect, 1/(1 − effect)]; None: unknown."""
    comparison: Comparison
    """The A/A comparison that it comes from."""
    reason: str = ""
    """Why it is unknown."""


def floor(
    baseline: Trials, again: Trials, *, confidence: float = 0.95, blocks: Blocks | None = None
) -> Floor:
    """Upper end of |log ratio| over the interval of the same arm against itself.

    effect = 1 − exp(−max(|ln low|, |ln high|)), so that it compares with margins directly.
    """
    found = compare(baseline, again, margin=0.5, confidence=confidence, blocks=blocks)
    if found.low is None or found.high is None:
        return Floor(None, found, "; ".join(found.warnings))
    return Floor(-math.expm1(-max(-math.log(found.low), math.log(found.high))), found)


def above_floor(comparison: Comparison, smallest: Floor) -> Comparison:
    """The comparison, claiming nothing finer than the A/A floor.

    - a difference whose ratio is within the floor becomes inconclusive;
    - "negligible" within the floor becomes "equivalent": the margin holds, the difference
      is not this machine's to show;
    - a margin finer than the floor cannot be confirmed: inconclusive;
    - with the floor unknown, every verdict is inconclusive.
    """
    if comparison.verdict == "inconclusive":
        return comparison
    if smallest.effect is None:
        reason = f"the A/A floor is unknown ({smallest.reason})"
        return replace(comparison, verdict="inconclusive", warnings=(*comparison.warnings, reason))
    shown = f"the smallest effect that this machine can show, {100 * smallest.effect:.2g} %"
    effect = -math.expm1(-abs(math.log(comparison.ratio)))
    if comparison.verdict != "different" and comparison.margin < smallest.effect:
        reason = f"the margin of {100 * comparison.margin:g} % is finer than {shown}"
        return replace(comparison, verdict="inconclusive", warnings=(*comparison.warnings, reason))
    if comparison.verdict == "equivalent" or effect > smallest.effect:
        return comparison
    reason = f"the effect of {100 * effect:.2g} % is within {shown}"
    verdict: Verdict = "equivalent" if comparison.verdict == "negligible" else "inconclusive"
    return replace(comparison, verdict=verdict, warnings=(*comparison.warnings, reason))


@dataclass(frozen=True, slots=True)
class TrialsNeeded:
    """How many more trials per arm (or blocks) would probably settle a comparison."""

    more: int | None
    """0: settled already; None: no sensible number would, see ``reason``."""
    toward: str
    """The verdict that it would then reach: ``different`` or ``equivalent``; else empty."""
    reason: str


def trials_needed(comparison: Comparison, *, power: float = 0.8) -> TrialsNeeded:
    """From the variance seen, for the effect seen, at the given power.

    The standard error s of the log ratio is read from the interval's half width h at n
    (h = t_{n−1} s) and shrinks as 1/√n (Chow, Shao & Wang, "Sample Size Calculations in
    Clinical Research", §3.2).  With effect e = |ln ratio| and δ = −ln(1 − margin):

        different    N = n ((z_{1−alpha/2} + z_power) s/e)²
        equivalent   N = n ((z_{1−alpha} + z_{(1+power)/2}) s/(δ − e))²,  only for e < δ

    and the smaller of the two is the answer.  It is an estimate: effect and variance are.
    """
    power = fraction(power, "power")
    n = comparison.n_units
    if comparison.settled:
        return TrialsNeeded(0, comparison.verdict, "settled")
    if comparison.low is None or comparison.high is None:
        return TrialsNeeded(None, "", "no interval yet: " + "; ".join(comparison.warnings))
    alpha = 1.0 - comparison.confidence
    half = math.log(comparison.high / comparison.low) / 2.0
    error = half / float(stdtrit(max(1, n - 1), 1.0 - alpha / 2.0))
    effect = abs(math.log(comparison.ratio))
    room = -math.log1p(-comparison.margin) - effect
    to_differ = _factor(error, effect, alpha / 2.0, power)
    to_equal = _factor(error, room, alpha, (1.0 + power) / 2.0)
    toward = "different" if to_differ < to_equal else "equivalent"
    total = n * min(to_differ, to_equal)
    if total > LIMIT:
        return TrialsNeeded(None, "", "the effect sits on the margin: no repetition settles it")
    more = max(1, math.ceil(total) - n)
    return TrialsNeeded(more, toward, f"about {more} more for {100 * power:g} % power")


def _factor(error: float, distance: float, tail: float, power: float) -> float:
    """N/n at which ``distance`` is (z_{1−tail} + z_power) standard errors."""
    if distance <= error * 1e-6:
        return math.inf
    return ((float(ndtri(1.0 - tail)) + float(ndtri(power))) * error / distance) ** 2
