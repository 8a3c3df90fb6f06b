"""One comparison in words: its size, its units, its certainty."""

from __future__ import annotations

from collections.abc import Sequence

from results.ledger import numbers
from results.ledger.claims.rules import SHARES
from results.ledger.findings import Finding
from results.stats import Comparison

CERTAIN = "with 95 % certainty"
MANY = 2.0
"""A loss from which on people think in times, not in per cent."""


def named(arm: str) -> str:
    """An arm as it stands in a sentence."""
    return "the bare host" if arm == "native" else arm


def limit(finding: Finding) -> str:
    """Where the verdict turns."""
    value = finding.rule.value
    if finding.rule.kind in SHARES:
        return f"{100 * value:g}{numbers.SPACE}%"
    word = "at least" if finding.rule.kind == "ratio-at-least" else "at most"
    return f"{word} {numbers.times(value)}"


def bound(finding: Finding, *, least: bool) -> float:
    """The least or the greatest loss that can be ruled out, as a share.

    For an equivalence the greatest difference on either side.
    """
    found = finding.comparison
    if found is None:
        return 0.0
    low, high = found.worse_by_at_least or 0.0, found.worse_by_at_most or 0.0
    if least:
        return low
    return max(abs(low), abs(high)) if finding.rule.kind == "equivalence" else max(high, 0.0)


def effect(finding: Finding) -> str:
    """``in HTTP requests docker did 22 % less than the bare host (21 % to 24 %, with …)``."""
    found = finding.comparison
    if found is None:
        return finding.why
    if finding.bound or finding.rule.kind not in SHARES:
        return _bound(finding, found) if finding.bound else _factor(finding)
    where = f"in {finding.part}, {finding.candidate.arm}"
    base = named(finding.baseline.arm)
    low, high = found.worse_by_at_least, found.worse_by_at_most
    if low is None or high is None:
        return so_far(finding)
    if low <= 0.0 <= high:
        most = numbers.percent(max(-low, high))
        return f"{where} could not be told from {base}: at most {most} apart, {CERTAIN}"
    if finding.direction == "lower" and low >= MANY:
        ends = f"{numbers.number(1.0 + low)} to {numbers.times(1.0 + high)}, {CERTAIN}"
        return f"{where} took {numbers.times(1.0 + found.worse_by)} what {base} did ({ends})"
    first, last = sorted((abs(low), abs(high)))
    span = f"{numbers.percent(first)} to {numbers.percent(last)}, {CERTAIN}"
    return f"{where} {_did(finding)} {_than(finding)} {base} ({span})"


def worse(findings: Sequence[Finding], amount: str) -> str:
    """``took at least 4 % more``, ``did at most 3 % less``: what a loss is in these metrics."""
    directions = {finding.direction for finding in findings}
    if directions == {"lower"}:
        return f"took {amount} more"
    if directions == {"higher"}:
        return f"did {amount} less"
    return f"came off {amount} worse"


def brief(finding: Finding) -> str:
    """``docker in TCP throughput (21 % less)``."""
    found = finding.comparison
    where = f"{finding.candidate.arm} in {finding.part}"
    if found is None:
        return where
    if finding.bound:
        return f"{where} ({finding.bound.replace('-', ' ')} {numbers.times(found.ratio)} as much)"
    if finding.rule.kind not in SHARES:
        return f"{where} ({numbers.times(found.ratio)} {named(finding.baseline.arm)})"
    return f"{where} ({_size(finding)})"


def so_far(finding: Finding) -> str:
    """The estimate alone, where there is no interval."""
    found = finding.comparison
    where = f"in {finding.part} {finding.candidate.arm}"
    base = named(finding.baseline.arm)
    if found is None:
        return where
    if finding.bound:
        return _bound(finding, found)
    if finding.rule.kind not in SHARES:
        return f"{where} has {numbers.times(found.ratio)} as much as {base}"
    return f"{where} {_did(finding)} {_than(finding)} {base}"


def interval(finding: Finding) -> str:
    """``in SHA-256 ns is between 0.35 % better and 0.79 % worse than the bare host``."""
    found = finding.comparison
    where = f"in {finding.part} {finding.candidate.arm}"
    base = named(finding.baseline.arm)
    if found is None or found.equivalence_low is None or found.equivalence_high is None:
        return where
    if finding.bound:
        return _bound(finding, found)
    if finding.rule.kind not in SHARES:
        ends = numbers.number(found.equivalence_low), numbers.times(found.equivalence_high)
        return f"{where} has {ends[0]} to {ends[1]} as much as {base}"
    low, high = found.worse_by_at_least or 0.0, found.worse_by_at_most or 0.0
    if low < 0.0 < high:
        span = f"between {numbers.percent(-low)} better and {numbers.percent(high)} worse"
    elif high <= 0.0:
        span = f"{numbers.percent(-high)} to {numbers.percent(-low)} better"
    else:
        span = f"{numbers.percent(low)} to {numbers.percent(high)} worse"
    return f"{where} is {span} than {base}"


def _did(finding: Finding) -> str:
    verb = "took" if finding.direction == "lower" else "did"
    return f"{verb} {_size(finding)}"


def _than(finding: Finding) -> str:
    return "as" if _size(finding).endswith("as much") else "than"


def _size(finding: Finding) -> str:
    loss = finding.comparison.worse_by if finding.comparison else 0.0
    if finding.direction == "lower" and loss >= MANY:
        return f"{numbers.times(1.0 + loss)} as much"
    more = (loss > 0.0) == (finding.direction == "lower")
    return f"{numbers.percent(abs(loss))} {'more' if more else 'less'}"


def _bound(finding: Finding, found: Comparison) -> str:
    """``in memory … kvm stands at 122 MiB or more beside 3.9 MiB of docker: at least 31 times …``.

    The side that is a bound was emulated; the end of the interval that it opens is not told.
    """
    base, other = finding.baseline, finding.candidate
    least = finding.bound == "at-least"
    where = f"in {finding.part}, {other.arm}"
    if base.median is not None and other.median is not None:
        ours, theirs = (
            numbers.quantity(side.median or 0.0, finding.unit) for side in (other, base)
        )
        ours, theirs = (f"{ours} or more", theirs) if least else (ours, f"{theirs} or more")
        where = f"{where} stands at {ours} beside {theirs} of {named(base.arm)}"
    end = found.equivalence_low if least else found.equivalence_high
    word = "at least" if least else "at most"
    certain = f", {CERTAIN}" if end is not None else " so far"
    much = numbers.times(found.ratio if end is None else end)
    arm = other.arm if least else base.arm
    return f"{where}: {word} {much} as much{certain} (a bound, for {arm} was emulated)"


def _factor(finding: Finding) -> str:
    """``one more idle instance of kvm takes 168 MiB beside 9.2 MiB of docker: 18 times …``."""
    found = finding.comparison
    if found is None:
        return finding.why
    base, other = finding.baseline, finding.candidate
    sizes = f"in {finding.part}, {other.arm}"
    if base.median is not None and other.median is not None:
        ours, theirs = (
            numbers.quantity(side.median or 0.0, finding.unit) for side in (other, base)
        )
        sizes = f"{sizes} stands at {ours} beside {theirs} of {named(base.arm)}"
    at_least = finding.rule.kind == "ratio-at-least"
    end = found.equivalence_low if at_least else found.equivalence_high
    word = "at least" if at_least else "at most"
    certain = f", {word} {numbers.times(end)} {CERTAIN}" if end is not None else ""
    return f"{sizes}: {numbers.times(found.ratio)} as much{certain}"
