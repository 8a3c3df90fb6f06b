"""Native against native: the smallest effect that this machine can show, per metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from results.ledger.judge.evidence import AGAIN, BASELINE, Evidence
from results.stats import StatsError, floor


@dataclass(frozen=True, slots=True)
class AaFloor:
    """The floor of one metric."""

    effect: float | None
    """As a margin: smaller effects mean nothing here; None: unknown."""
    n: int
    """Blocks that it comes from."""
    reason: str
    """Why it is unknown; empty where it is known."""


def floors(evidence: Evidence) -> Mapping[tuple[str, str], AaFloor]:
    """The floor of every metric of the run."""
    return {key: _floor(evidence, *key) for key in evidence.metrics}


def _floor(evidence: Evidence, workload: str, metric: str) -> AaFloor:
    first = evidence.of(workload, metric, BASELINE)
    again = evidence.of(workload, metric, AGAIN)
    for arm, values in ((BASELINE, first), (AGAIN, again)):
        if not values.means.size:
            there = arm in evidence.arms
            return AaFloor(None, 0, f"{arm} has no valid trial" if there else f"there is no {arm}")
    try:
        found = floor(
            first.means, again.means, blocks=(first.blocks.tolist(), again.blocks.tolist())
        )
    except StatsError as error:
        return AaFloor(None, 0, str(error))
    if found.effect is None:
        return AaFloor(None, found.comparison.n_units, found.reason)
    return AaFloor(found.effect, found.comparison.n_units, "")
