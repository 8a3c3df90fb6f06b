"""A verdict in plain words, made from its numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from results.ledger import numbers
from results.ledger.claims.rules import SHARES
from results.ledger.claims.schema import Claim
from results.ledger.findings import Finding, PartVerdict, Verdict
from results.ledger.verdict.combine import blocks
from results.ledger.verdict.effects import CERTAIN, bound, brief, effect, limit, named, worse
from results.ledger.verdict.open_questions import asked_for, open_question

MOST_NAMED = 4
"""Comparisons told one by one; more are counted."""


def sentence(
    claim: Claim,
    verdict: Verdict,
    findings: Sequence[Finding],
    parts: Sequence[PartVerdict],
    decisive: int | None,
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
    elif verdict == "mixed":
        said = [divided(claim, parts), *_ends(findings, one), *_still_open(findings, parts)]
    elif verdict == "inconclusive":
        said = [*_so_far(claim, findings, parts), *_unsettled(one, judged, parts)]
    else:
        said = [f"Not judged: {one.why}"]
    if verdict != "not evaluable":
        said += _unmeasured(parts)
    return " ".join(numbers.sentence(each) for each in said if each)


def headline(
    claim: Claim,
    verdict: Verdict,
    parts: Sequence[PartVerdict],
    more: int | None,
    seconds: float | None,
) -> str:
    """The verdict in a line: with the parts by name, with what more would cost, or with why not."""
    if verdict == "mixed":
        return f"mixed: {divided(claim, parts)}"
    if verdict == "inconclusive":
        if more is not None:
            return f"inconclusive: {numbers.cost(more, seconds)} would settle it"
        absent = [part.name for part in parts if blocks(part)]
        open_ = [part.name for part in parts if part.verdict == "inconclusive"]
        why = f"{numbers.listed(open_)} {_be(open_)} open" if open_ else ""
        return f"inconclusive: {why or f'not measured: {numbers.listed(absent)}'}"
    if verdict == "not evaluable":
        why = f"it waits for {claim.awaits}" if claim.awaits else ""
        said = [part.said for part in parts if part.said and not part.awaited]
        return f"not evaluable: {why or next(iter(said), 'there is nothing of it in this run')}"
    count = [part for part in parts if part.verdict == verdict]
    bounded = ", by a bound" if any(part.bounded for part in count) else ""
    return f"{verdict}{bounded}"


def divided(claim: Claim, parts: Sequence[PartVerdict]) -> str:
    """``a VM costs system calls and page faults; not memory bandwidth``.

    A part that differs between arms stands on both sides, with them.
    """
    holds = [_with_arms(part, part.holds) for part in parts if part.holds]
    fails = [_with_arms(part, part.fails) for part in parts if part.fails]
    return f"{claim.holds_for} {numbers.listed(holds)}; {claim.fails_for} {numbers.listed(fails)}"


def _with_arms(part: PartVerdict, arms: Sequence[str]) -> str:
    whole = part.verdict in {"supported", "refuted"}
    return part.name if whole else f"{part.name} ({numbers.listed(arms)})"


def _ends(findings: Sequence[Finding], one: Finding) -> Iterator[str]:
    """The largest effect on either side of a claim that holds in part."""
    holds = [finding for finding in findings if finding.verdict == "supported"]
    yield f"Where it holds: {effect(max(holds, key=_size))}"
    yield f"Where it does not: {effect(one)}, and the claim turns at {limit(one)}"


def _size(finding: Finding) -> float:
    return abs(finding.comparison.worse_by) if finding.comparison else 0.0


def _so_far(
    claim: Claim, findings: Sequence[Finding], parts: Sequence[PartVerdict]
) -> Iterator[str]:
    """What is decided of a claim that is not."""
    for verdict, lead in (("supported", claim.holds_for), ("refuted", f"{claim.fails_for}")):
        settled = [part for part in parts if part.verdict == verdict]
        if settled:
            names = numbers.listed([part.name for part in settled])
            yield f"So far: {lead} {names}"
            first = findings[settled[0].findings[0]]
            if len(settled) == 1 and first.comparison is not None:
                yield settled[0].said


def _unsettled(
    one: Finding, judged: Sequence[Finding], parts: Sequence[PartVerdict]
) -> Iterator[str]:
    """The most open question; nothing where only measuring the rest would help."""
    if one.judged:
        yield open_question(one)
        others = sum(part.verdict == "inconclusive" for part in parts) - 1
        if others > 0:
            yield f"{others} more {'part is' if others == 1 else 'parts are'} open"
    elif not any(map(blocks, parts)):
        done = sum(finding.verdict in {"supported", "refuted"} for finding in judged)
        count = f"{done} of {len(judged)} comparisons are settled"
        yield f"Not settled: {count}, but {one.part} was not judged: {one.why}"
    else:
        yield f"That is not the whole claim: {one.part} was not judged: {one.why}"


def _still_open(findings: Sequence[Finding], parts: Sequence[PartVerdict]) -> Iterator[str]:
    """Parts of a mixed claim that are not decided; they may fall on either side."""
    for part in parts:
        open_ = [each for at in part.findings if (each := findings[at]).verdict == "inconclusive"]
        if open_:
            yield f"{part.name} is still open: {asked_for(max(open_, key=lambda f: f.more or 0))}"


def _unmeasured(parts: Sequence[PartVerdict]) -> Iterator[str]:
    names = [part.name for part in parts if not part.measured]
    if names:
        was, count = ("was", "it counts") if len(names) == 1 else ("were", "they count")
        yield f"{numbers.listed(names)} {was} not measured: {count} neither way"


def _be(names: Sequence[str]) -> str:
    return "is" if len(set(names)) == 1 else "are"


def _holds(claim: Claim, one: Finding, judged: Sequence[Finding]) -> str:
    """The tightest of the comparisons, on behalf of all that agree."""
    same = [finding for finding in judged if finding.verdict == "supported"]
    if one.rule.kind not in SHARES or len(same) == 1:
        tail = f"; the tightest of {len(same)} comparisons" if len(same) > 1 else ""
        return f"It holds here: {effect(one)}, where the claim asks for {limit(one)}{tail}"
    parts = numbers.listed([finding.part for finding in same])
    count = f"in each of {len(same)} comparisons" if claim.combine == "every" else "at least once"
    worst = max(same, key=lambda finding: bound(finding, least=False))
    most = numbers.percent(bound(worst, least=False))
    if one.rule.kind == "equivalence":
        found = _all(same, f"came within {most} of", f"came within {most}")
        asked = f"allows {limit(one)}"
    elif one.rule.kind == "loss-at-most":
        found = _all(same, f"{worse(same, f'at most {most}')} than", worse(same, f"at most {most}"))
        asked = f"allows {limit(one)}"
    else:
        tight = min(same, key=lambda finding: bound(finding, least=True))
        least = f"at least {numbers.percent(bound(tight, least=True))}"
        found = _all(same, f"{worse(same, least)} than", worse(same, least))
        asked = f"asks for more than {limit(one)}"
    return f"It holds here: in {parts}, {found}, {CERTAIN} {count}; the claim {asked}"


def _all(same: Sequence[Finding], verb: str, alone: str) -> str:
    """``ns and docker VERB the bare host``; where baselines differ, each with its own."""
    bases = dict.fromkeys(named(finding.baseline.arm) for finding in same)
    if len(bases) == 1:
        arms = numbers.listed([finding.candidate.arm for finding in same])
        return f"{arms} {verb} {next(iter(bases))}"
    pairs = [f"{each.candidate.arm} against {named(each.baseline.arm)}" for each in same]
    return f"{numbers.listed(pairs)} each {alone}"


def _fails(one: Finding) -> str:
    kind = one.rule.kind
    if kind == "superiority":
        return f"It does not hold here: {effect(one)}, not more than the {limit(one)} it asks for"
    if kind in SHARES:
        return f"It does not hold here: {effect(one)}, beyond the {limit(one)} it allows"
    return f"It does not hold here: {effect(one)}, where the claim asks for {limit(one)}"


def _rest(one: Finding, judged: Sequence[Finding]) -> list[str]:
    """The other comparisons of a claim that did not hold."""
    found = [each for each in judged if each is not one and each.verdict == "refuted"]
    shown = [brief(finding) for finding in found[:MOST_NAMED]]
    if len(found) > MOST_NAMED:
        shown.append(f"{len(found) - MOST_NAMED} more")
    return [f"Nor does it for {numbers.listed(shown)}"] if shown else []
