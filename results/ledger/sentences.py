"""A verdict in plain words, made from its numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from results.ledger import words
from results.ledger.effects import (
    CERTAIN,
    bound,
    brief,
    effect,
    interval,
    limit,
    named,
    so_far,
    worse,
)
from results.ledger.findings import Finding, Verdict
from results.ledger.rules import SHARES
from results.ledger.schema import Claim
from results.stats import Comparison

MOST_NAMED = 4
"""Comparisons told one by one; more are counted."""


def sentence(
    claim: Claim, verdict: Verdict, findings: Sequence[Finding], decisive: int | None
) -> str:
    """What was found, how large, how certain, what it means, what is still open."""
    judged = [finding for finding in findings if not finding.awaited]
    one = None if decisive is None else findings[decisive]
    if claim.awaits:
        said = [f"Not yet measured: it waits for {claim.awaits}"]
    elif one is None:
        said = ["Not judged: there is nothing of it in this run"]
    elif verdict == "supported":
        said = [_holds(claim, one, judged), claim.if_supported]
    elif verdict == "refuted":
        said = [_fails(one), *_rest(one, judged), claim.if_refuted]
    elif verdict == "inconclusive":
        said = [_open(one, judged)]
    else:
        said = [f"Not judged: {one.why}"]
    waiting = [finding.part for finding in findings if finding.awaited]
    if waiting and verdict != "not evaluable":
        verb = "is" if len(set(waiting)) == 1 else "are"
        said.append(f"{words.listed(waiting)} {verb} not yet measured")
    return " ".join(words.sentence(each) for each in said if each)


def _holds(claim: Claim, one: Finding, judged: Sequence[Finding]) -> str:
    """The tightest of the comparisons, on behalf of all that agree."""
    same = [finding for finding in judged if finding.verdict == "supported"]
    if one.rule.kind not in SHARES or len(same) == 1:
        tail = f"; the tightest of {len(same)} comparisons" if len(same) > 1 else ""
        return f"It holds here: {effect(one)}, where the claim asks for {limit(one)}{tail}"
    parts = words.listed([finding.part for finding in same])
    count = f"in each of {len(same)} comparisons" if claim.combine == "every" else "at least once"
    worst = max(same, key=lambda finding: bound(finding, least=False))
    most = words.percent(bound(worst, least=False))
    if one.rule.kind == "equivalence":
        found = _all(same, f"came within {most} of", f"came within {most}")
        asked = f"allows {limit(one)}"
    elif one.rule.kind == "loss-at-most":
        found = _all(same, f"{worse(same, f'at most {most}')} than", worse(same, f"at most {most}"))
        asked = f"allows {limit(one)}"
    else:
        tight = min(same, key=lambda finding: bound(finding, least=True))
        least = f"at least {words.percent(bound(tight, least=True))}"
        found = _all(same, f"{worse(same, least)} than", worse(same, least))
        asked = f"asks for more than {limit(one)}"
    return f"It holds here: in {parts}, {found}, {CERTAIN} {count}; the claim {asked}"


def _all(same: Sequence[Finding], verb: str, alone: str) -> str:
    """``ns and docker VERB the bare host``; where baselines differ, each with its own."""
    bases = dict.fromkeys(named(finding.baseline.arm) for finding in same)
    if len(bases) == 1:
        arms = words.listed([finding.candidate.arm for finding in same])
        return f"{arms} {verb} {next(iter(bases))}"
    pairs = [f"{each.candidate.arm} against {named(each.baseline.arm)}" for each in same]
    return f"{words.listed(pairs)} each {alone}"


def _fails(one: Finding) -> str:
    kind = one.rule.kind
    if kind == "superiority":
        return f"It does not hold here: {effect(one)}, not more than the {limit(one)} it asks for"
    if kind in SHARES:
        return f"It does not hold here: {effect(one)}, beyond the {limit(one)} it allows"
    return f"It does not hold here: {effect(one)}, where the claim asks for {limit(one)}"


def _rest(one: Finding, judged: Sequence[Finding]) -> list[str]:
    """The other comparisons of a claim that did not hold: who else failed, who did not."""
    others = [finding for finding in judged if finding is not one]
    said = []
    for verdict, begin in (("refuted", "Nor does it for"), ("supported", "It does hold for")):
        found = [finding for finding in others if finding.verdict == verdict]
        shown = [brief(finding) for finding in found[:MOST_NAMED]]
        if len(found) > MOST_NAMED:
            shown.append(f"{len(found) - MOST_NAMED} more")
        if shown:
            said.append(f"{begin} {words.listed(shown)}")
    still = sum(finding.verdict in {"inconclusive", "not evaluable"} for finding in others)
    if still:
        said.append(f"{still} of {len(judged)} comparisons are open")
    return said


def _open(one: Finding, judged: Sequence[Finding]) -> str:
    if one.comparison is None:
        done = sum(finding.verdict in {"supported", "refuted"} for finding in judged)
        count = f"{done} of {len(judged)} comparisons are settled"
        return f"Not settled: {count}, but {one.part} was not judged: {one.why}"
    found = one.comparison
    if found.equivalence_low is None or found.equivalence_high is None:
        return _too_few(one, found)
    if not one.why.startswith("the interval"):
        said = f"Not settled: {interval(one)} {CERTAIN}, but {one.why}"
        return (
            f"{said}; about {words.number(one.more)} more {_blocks(one.more)} would show it"
            if one.more
            else said
        )
    settle = "no sensible number of trials would settle it: the effect sits on the limit"
    if one.more is not None:
        settle = f"about {words.number(one.more)} more {_blocks(one.more)} would settle it"
    return f"Not settled: {interval(one)} {CERTAIN}, and the claim turns at {limit(one)}; {settle}"


def _too_few(one: Finding, found: Comparison) -> str:
    unit = _blocks(found.n_units) if found.method.startswith("paired") else "trials"
    need = f", {one.more} more at least" if one.more else ""
    out = sum(one.baseline.invalid.values()) + sum(one.candidate.invalid.values())
    gates = f"; {out} {'trial' if out == 1 else 'trials'} did not pass the gates" if out else ""
    return f"Too few trials to say: {found.n_units} {unit}{need}{gates}. So far {so_far(one)}"


def _blocks(count: int) -> str:
    return "block" if count == 1 else "blocks"
