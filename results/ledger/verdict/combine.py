"""From the findings of a claim's comparisons to the verdicts of its parts and its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from results.ledger.claims.rules import as_margin
from results.ledger.claims.schema import Claim, Combine, Part
from results.ledger.claims.vocabulary import spoken
from results.ledger.findings import Finding, PartVerdict, Verdict
from results.ledger.verdict.effects import effect, named

ONE_DECIDES: Mapping[Combine, Verdict] = {"any": "supported"}
"""Where one comparison is enough for the whole claim."""


def part_verdicts(claim: Claim, findings: Sequence[Finding]) -> tuple[PartVerdict, ...]:
    """One for every part that was looked for, in the claim's order."""
    places: dict[int, list[int]] = {}
    for at, finding in enumerate(findings):
        places.setdefault(finding.place, []).append(at)
    return tuple(
        _part(claim, claim.parts[place], findings, members)
        for place, members in sorted(places.items())
        if place < len(claim.parts)
    )


def claim_verdict(claim: Claim, parts: Sequence[PartVerdict]) -> Verdict:
    """What the parts that were measured say together; the rule is in the package's docstring."""
    word = together([part.verdict for part in parts], claim.combine)
    if claim.combine == "every" and any(p.holds for p in parts) and any(p.fails for p in parts):
        return "mixed"
    if word in ("supported", "refuted") and word != ONE_DECIDES.get(claim.combine):
        return "inconclusive" if any(map(blocks, parts)) else word
    return word


def together(verdicts: Sequence[Verdict], combine: Combine) -> Verdict:
    """One word for several; what was not judged neither supports nor refutes."""
    judged = set(verdicts) - {"not evaluable"}
    if not judged:
        return "not evaluable"
    if combine == "any" and "supported" in judged:
        return "supported"
    if "mixed" in judged or {"supported", "refuted"} <= judged:
        return "mixed"
    if "inconclusive" in judged:
        return "inconclusive"
    return judged.pop()


def blocks(part: PartVerdict) -> bool:
    """Whether it keeps the others from speaking for the whole claim: it should have been judged."""
    return not part.measured and not part.awaited and not part.optional


def decisive(findings: Sequence[Finding], verdict: Verdict) -> int | None:
    """The finding that the verdict hangs on most.

    The clearest refutation, the tightest support, the most open question; of a mixed verdict the
    clearest of those that do not hold.
    """
    sought: Verdict = "refuted" if verdict == "mixed" else verdict
    rank: Callable[[Finding], float] = {
        "refuted": lambda f: -_distance(f),
        "supported": _distance,
        "inconclusive": lambda f: -(f.more or 0),
        "not evaluable": lambda f: float(f.awaited),
    }[sought]
    places = [place for place, each in enumerate(findings) if each.verdict == sought]
    if not places and sought == "inconclusive":
        places = [at for at, each in enumerate(findings) if not each.awaited and not each.judged]
    return min(places, key=lambda place: rank(findings[place])) if places else None


def warnings(
    claim: Claim, findings: Sequence[Finding], parts: Sequence[PartVerdict], verdict: Verdict
) -> tuple[str, ...]:
    """What to know beside the verdict: how many comparisons there were, and what was not judged."""
    said = []
    compared = sum(finding.comparison is not None for finding in findings)
    counts = {
        word: sum(finding.verdict == word for finding in findings)
        for word in ("supported", "refuted")
    }
    deciding = counts["supported"] if verdict == "supported" else min(counts.values())
    fewer = verdict == "mixed" or verdict == ONE_DECIDES.get(claim.combine)
    if fewer and deciding < compared:
        what = "make it mixed" if verdict == "mixed" else "decided it"
        said.append(
            f"{deciding} of {compared} comparisons {what}, each with 95 % certainty; one of so "
            f"many may err with a chance of up to {min(100, 5 * compared)} %"
        )
    if verdict in {"inconclusive", "mixed"}:
        said += dict.fromkeys(_missing(findings, parts))
    return tuple(said)


def _missing(findings: Sequence[Finding], parts: Sequence[PartVerdict]) -> Iterator[str]:
    for part in parts:
        for finding in (findings[at] for at in part.findings):
            if not finding.judged and not finding.awaited:
                yield f"{part.name} was not judged: {finding.why}"


def _part(
    claim: Claim, part: Part, findings: Sequence[Finding], members: Sequence[int]
) -> PartVerdict:
    mine = [findings[at] for at in members]
    verdict = together([each.verdict for each in mine], claim.combine)
    whole = verdict in ("supported", "refuted") and verdict != ONE_DECIDES.get(claim.combine)
    if whole and any(not each.judged and not each.awaited for each in mine):
        verdict = "inconclusive"
    hangs_on = decisive(mine, verdict)
    one = None if hangs_on is None else mine[hangs_on]
    counts = [each.more for each in mine if each.verdict == "inconclusive"]
    seconds = [each.more_s for each in mine if each.verdict == "inconclusive"]
    return PartVerdict(
        name=_name(claim, part),
        verdict=verdict,
        said="" if one is None else effect(one) if one.judged else one.why,
        holds=_arms(mine, "supported"),
        fails=_arms(mine, "refuted"),
        findings=tuple(members),
        awaited=all(each.awaited for each in mine),
        optional=part.optional,
        more=None if (most := _most(counts)) is None else int(most),
        more_s=_most(seconds),
        bounded=verdict in {"supported", "refuted"} and any(each.bound for each in mine),
    )


def _most(values: Sequence[float | None]) -> float | None:
    """The most of them; None where there is none, or one is not known."""
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def _arms(findings: Sequence[Finding], verdict: Verdict) -> tuple[str, ...]:
    """Candidates of that verdict, with what each was compared to where that differs."""
    several = len({each.baseline.arm for each in findings if each.judged}) > 1
    found = [each for each in findings if each.verdict == verdict]
    pairs = [(each.candidate.arm, named(each.baseline.arm)) for each in found]
    return tuple(dict.fromkeys(f"{c} against {b}" if several else c for c, b in pairs))


def _name(claim: Claim, part: Part) -> str:
    """The part's name, with its arms where the claim has another part of that name."""
    if sum(each.name == part.name for each in claim.parts) < 2:
        return part.name
    return f"{part.name} ({spoken(part.candidates)} against {spoken((part.baseline,))})"


def _distance(finding: Finding) -> float:
    """How far the ratio is from the nearest limit, as a margin."""
    if finding.comparison is None or finding.direction not in ("higher", "lower"):
        return 0.0
    limits = finding.rule.limits("higher" if finding.direction == "higher" else "lower")
    return min(as_margin(finding.comparison.ratio / limit) for limit in limits)
