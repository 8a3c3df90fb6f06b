"""From the findings of a claim's comparisons to its verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from results.ledger.findings import Finding, Verdict
from results.ledger.rules import as_margin
from results.ledger.schema import Claim


def combined(
    claim: Claim, findings: Sequence[Finding]
) -> tuple[Verdict, int | None, tuple[str, ...]]:
    """Verdict, the finding that it hangs on most, and what to warn of.

    The rule is in the package's docstring.
    """
    judged = [finding for finding in findings if not finding.awaited]
    verdicts = {finding.verdict for finding in judged}
    if not verdicts or verdicts == {"not evaluable"}:
        verdict: Verdict = "not evaluable"
    elif claim.combine == "every":
        verdict = _of_all(verdicts, against="refuted", whole="supported")
    else:
        verdict = _of_all(verdicts, against="supported", whole="refuted")
    return verdict, _decisive(findings, verdict), _warnings(claim, findings, verdict)


def _of_all(verdicts: set[Verdict], *, against: Verdict, whole: Verdict) -> Verdict:
    """One ``against`` decides; ``whole`` needs all of them."""
    if against in verdicts:
        return against
    return whole if verdicts == {whole} else "inconclusive"


def _decisive(findings: Sequence[Finding], verdict: Verdict) -> int | None:
    """The clearest refutation, the tightest support, the most open question."""
    rank: Callable[[Finding], float] = {
        "refuted": lambda f: -_distance(f),
        "supported": _distance,
        "inconclusive": lambda f: -(f.more or 0),
        "not evaluable": lambda f: float(f.awaited),
    }[verdict]
    places = [place for place, each in enumerate(findings) if each.verdict == verdict]
    if not places and verdict == "inconclusive":
        places = [place for place, each in enumerate(findings) if not each.awaited and each.why]
    return min(places, key=lambda place: rank(findings[place])) if places else None


def _distance(finding: Finding) -> float:
    """How far the ratio is from the nearest limit, as a margin."""
    if finding.comparison is None or finding.direction not in ("higher", "lower"):
        return 0.0
    limits = finding.rule.limits("higher" if finding.direction == "higher" else "lower")
    return min(as_margin(finding.comparison.ratio / limit) for limit in limits)


def _warnings(claim: Claim, findings: Sequence[Finding], verdict: Verdict) -> tuple[str, ...]:
    said = []
    compared = sum(finding.comparison is not None for finding in findings)
    deciding = sum(finding.verdict == verdict for finding in findings)
    one_decides = {"every": "refuted", "any": "supported"}[claim.combine]
    if verdict == one_decides and deciding < compared:
        said.append(
            f"{deciding} of {compared} comparisons decided it, each with 95 % certainty; one of so "
            f"many may err with a chance of up to {min(100, 5 * compared)} %"
        )
    if verdict == "inconclusive":
        missing = [f for f in findings if f.verdict == "not evaluable" and not f.awaited]
        said += dict.fromkeys(f"{f.part} was not judged: {f.why}" for f in missing)
    return tuple(said)
