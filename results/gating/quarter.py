"""A gate may never cost the answer.

What may be gone in a minute is worth repeating; what marks more than a quarter of everything that
ran is no accident but the host, and hits every arm alike.  Then the gate is wrong for that host:
its findings become cautions.  Not for an arm that has more of them than those beside it: that is
a bias, and no noise.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.gating.imbalance import standing
from results.gating.observations import Group, Observation
from results.records.records import GateFinding

MOST = 0.25
Z = 2.5
"""An arm marked so much more than the others keeps its marks: by chance one in 160."""

Findings = tuple[GateFinding, ...]


@dataclass(frozen=True, slots=True)
class Overruled:
    """A gate that is wrong for this host."""

    share: float
    """Of what ran, that it would have left out."""
    arms: frozenset[str]
    """Arms for which it holds all the same."""


def overruled(
    observations: Sequence[Observation],
    findings: Sequence[Findings],
    unusual: Mapping[str, frozenset[int]],
    enough: int,
) -> Mapping[str, Overruled]:
    """Codes of transient gates that mark more than a quarter of what ran.

    Args:
        observations: every trial that somebody looked at.
        findings: of each of these.
        unusual: code → places of the trials that are far from what is usual in the run, whatever
            the rest of their block was like.
        enough: trials before which nobody knows how the host is.
    """
    counted = [place for place, each in enumerate(observations) if each.counts]
    if len(counted) < enough:
        return {}
    codes = {each.code for place in counted for each in findings[place] if _drops(each)}
    found = {}
    for code in sorted(codes):
        marked = {place for place in counted if any(_drops(f, code) for f in findings[place])}
        marked |= unusual.get(code, frozenset())
        arms = _singled_out(observations, counted, marked)
        rest = [place for place in counted if observations[place].arm not in arms]
        share = len(marked.intersection(rest)) / len(rest) if rest else 0.0
        if share > MOST:
            found[code] = Overruled(share, arms)
    return found


def softened(findings: Findings, arm: str, wrong: Mapping[str, Overruled]) -> Findings:
    """``findings`` of a trial with those that do not hold on this host as cautions."""
    return tuple(
        dataclasses.replace(each, severity="caution")
        if _drops(each) and each.code in wrong and arm not in wrong[each.code].arms
        else each
        for each in findings
    )


def _drops(finding: GateFinding, code: str = "") -> bool:
    return (
        finding.severity == "invalid"
        and finding.transient
        and finding.code == (code or finding.code)
    )


def _singled_out(
    observations: Sequence[Observation], counted: Sequence[int], marked: set[int]
) -> frozenset[str]:
    blocks: dict[Group, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for place in counted:
        each = observations[place]
        blocks[each.group][each.arm].append(float(place in marked))
    shares = {
        group: {arm: statistics.fmean(values) for arm, values in arms.items()}
        for group, arms in blocks.items()
    }
    return frozenset(arm for arm, found in standing(shares).items() if found.z > Z)
