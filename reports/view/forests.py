"""A claim's comparisons as rows of a forest plot: estimate, interval, what the claim allows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reports import text
from reports.view.arms import BASELINE, unplanned
from reports.view.model import ArmView
from results.ledger.claims.rules import SHARES
from results.ledger.claims.schema import Claim
from results.ledger.findings import Finding
from results.ledger.judge.decide import opened

Scale = Literal["speed", "times"]
"""``speed``: a share of the baseline's, right is better.  ``times``: candidate ÷ baseline."""

MOST_ROWS = 14


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One comparison as it is drawn."""

    label: str
    arm: ArmView
    ratio: float
    ends: tuple[float, float] | None
    """Each holds with 95 % certainty; None where declined."""
    claimed: tuple[float, float]
    """What the rule allows, 0 and ∞ included."""
    figure: str
    tip: str


@dataclass(frozen=True, slots=True)
class Forest:
    """The comparisons of one claim on one scale."""

    claim: str
    scale: Scale
    title: str
    rows: tuple[ForestRow, ...]


def forests_of(
    claim: Claim, findings: Sequence[Finding], arms: Mapping[str, ArmView]
) -> Iterator[Forest]:
    """One for each scale that its comparisons have."""
    compared = [finding for finding in findings if finding.comparison is not None]
    for scale in ("speed", "times"):
        chosen = [each for each in compared if (each.rule.kind in SHARES) == (scale == "speed")]
        rows = tuple(row for each in chosen[:MOST_ROWS] if (row := _row(each, scale, arms)))
        if rows:
            title = text.clean(f"{claim.id}: {claim.claim}", 200)
            yield Forest(claim.id, "speed" if scale == "speed" else "times", title, rows)


def _row(finding: Finding, scale: str, arms: Mapping[str, ArmView]) -> ForestRow | None:
    found = finding.comparison
    if found is None or finding.direction not in ("higher", "lower"):
        return None
    ratio, low, high = found.ratio, found.equivalence_low, found.equivalence_high
    if low is not None and high is not None:
        low, high = opened(low, high, finding.bound)
        ratio = {"at-least": low, "at-most": high}.get(finding.bound or "", ratio)
    claimed = finding.rule.claimed("higher" if finding.direction == "higher" else "lower")
    turned = scale == "speed" and finding.direction == "lower"
    if turned:
        ratio, claimed = 1.0 / ratio, _turned(claimed)
        low, high = (None if end is None else _inverse(end) for end in (high, low))
    name = finding.candidate.arm
    against = (
        "" if finding.baseline.arm == BASELINE else f" ÷ {text.name(finding.baseline.arm, 16)}"
    )
    label = f"{text.name(name, 20)}{against}, {_short(finding.part)}"
    figure = _SIGNS[finding.bound or "", turned] + _figure(ratio, scale)
    interval = "too few trials for an interval"
    if low is not None and high is not None:
        interval = f"{_figure(low, scale)} to {_figure(high, scale)}, each end 95 % certain"
        if finding.bound:
            interval = "a bound, 95 % certain: an arm of the two was emulated"
    return ForestRow(
        label=label,
        arm=arms.get(name) or unplanned(name),
        ratio=ratio,
        ends=None if low is None or high is None else (low, high),
        claimed=claimed,
        figure=figure,
        tip=f"{label} against {text.name(finding.baseline.arm, 24)}: {figure} ({interval}). "
        f"{finding.verdict}",
    )


_SIGNS = {
    ("", False): "",
    ("", True): "",
    ("at-least", False): "≥ ",
    ("at-most", False): "≤ ",
    ("at-least", True): "≤ ",
    ("at-most", True): "≥ ",
}
"""Before a figure that is a bound; turned around with its scale."""


def _inverse(end: float) -> float:
    return math.inf if end == 0.0 else 0.0 if math.isinf(end) else 1.0 / end


def _short(part: str) -> str:
    """A quantity's name for a label: ``first byte of an idle box``."""
    return text.name(part.removeprefix("time to the "), 36)


def _turned(claimed: tuple[float, float]) -> tuple[float, float]:
    low, high = claimed
    return (0.0 if math.isinf(high) else 1.0 / high), (math.inf if low == 0.0 else 1.0 / low)


def _figure(ratio: float, scale: str) -> str:
    return text.times(ratio) if scale == "times" else text.percent(ratio)
