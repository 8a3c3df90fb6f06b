"""Whether something happens to one arm more than to those that it stands beside.

Within a block the arms' order is random: whatever the host does by itself falls on any of them
with the same chance.  So under that chance an arm's mean rank over many blocks is known, with its
variance, and an arm that is far from it is not a victim of the host's noise.  Ranks, as in
Friedman's test, are blind to how large a single outlier is.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from results.gating.observations import Group

Blocks = Mapping[Group, Mapping[str, float]]
"""Block → arm → value."""


@dataclass(frozen=True, slots=True)
class Lopsided:
    """How one arm stands to the others of its blocks."""

    effect: float
    """Mean over blocks of its value less the mean of the others'."""
    z: float
    """Standard deviations by which its ranks are from what chance gives."""
    blocks: int


def standing(blocks: Blocks) -> dict[str, Lopsided]:
    """Every arm that stood beside another in at least one block."""
    ranks: dict[str, float] = defaultdict(float)
    variances: dict[str, float] = defaultdict(float)
    effects: dict[str, list[float]] = defaultdict(list)
    for values in blocks.values():
        if len(values) < 2:
            continue
        placed = _mid_ranks(values)
        expected = (len(values) + 1) / 2
        variance = statistics.fmean((rank - expected) ** 2 for rank in placed.values())
        total = sum(values.values())
        for arm, value in values.items():
            ranks[arm] += placed[arm] - expected
            variances[arm] += variance
            effects[arm].append(value - (total - value) / (len(values) - 1))
    return {
        arm: Lopsided(
            statistics.fmean(found),
            ranks[arm] / math.sqrt(variances[arm]) if variances[arm] > 0 else 0.0,
            len(found),
        )
        for arm, found in effects.items()
    }


def _mid_ranks(values: Mapping[str, float]) -> dict[str, float]:
    """Ranks from 1; equal values share the mean of theirs."""
    ordered = sorted(values.values())
    places: dict[float, list[int]] = defaultdict(list)
    for place, value in enumerate(ordered, 1):
        places[value].append(place)
    return {arm: statistics.fmean(places[value]) for arm, value in values.items()}
