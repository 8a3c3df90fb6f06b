"""A comparison that is not settled, in words: its interval, and what more would cost."""

from __future__ import annotations

from results.ledger import numbers
from results.ledger.findings import Finding
from results.ledger.verdict.effects import CERTAIN, interval, limit, so_far
from results.stats import Comparison


def open_question(one: Finding) -> str:
    """``Not settled: in SHA-256 ns is … ; about 12 more blocks (4 minutes) would settle it``."""
    found = one.comparison
    if found is None:
        return f"Not settled: {one.part} was not judged: {one.why}"
    if found.equivalence_low is None or found.equivalence_high is None:
        return _too_few(one, found)
    if not one.why.startswith("the interval"):
        said = f"Not settled: {interval(one)} {CERTAIN}, but {one.why}"
        more = f"; {numbers.cost(one.more, one.more_s)} would show it" if one.more else ""
        return f"{said}{more}"
    turns = f"and the claim turns at {limit(one)}"
    return f"Not settled: {interval(one)} {CERTAIN}, {turns}; {asked_for(one)}"


def asked_for(one: Finding) -> str:
    """What would settle it."""
    if one.more is None:
        if one.why and not one.why.startswith("the interval"):
            return one.why
        return "no sensible number of trials would settle it: the effect sits on the limit"
    return f"{numbers.cost(one.more, one.more_s)} would settle it"


def _too_few(one: Finding, found: Comparison) -> str:
    paired = found.method.startswith("paired")
    unit = ("block" if found.n_units == 1 else "blocks") if paired else "trials"
    time = f" ({numbers.duration(one.more_s)})" if one.more_s is not None else ""
    need = f", {one.more} more at least{time}" if one.more else ""
    out = sum(one.baseline.invalid.values()) + sum(one.candidate.invalid.values())
    gates = f"; {out} {'trial' if out == 1 else 'trials'} did not pass the gates" if out else ""
    return f"Too few trials to say: {found.n_units} {unit}{need}{gates}. So far {so_far(one)}"
