"""What a host's cautions cost: the smallest effect that the run can show all the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from results.records.records import HostCaution, MetricFloor, WorkloadRecord

NOT_SPEED = "footprint"
"""A resource whose figures have nothing to do with how fast the host is."""


def priced(
    cautions: Iterable[HostCaution],
    floors: Iterable[MetricFloor],
    workloads: Sequence[WorkloadRecord],
) -> tuple[HostCaution, ...]:
    """``cautions`` with their cost: native against native in the workloads' primary metrics."""
    primary = {(each.name, each.primary) for each in workloads if each.resource != NOT_SPEED}
    effects = [
        floor.effect
        for floor in floors
        if floor.effect is not None and (floor.workload, floor.metric) in primary
    ]
    cost = _cost(effects)
    return tuple(dataclasses.replace(each, cost=cost) for each in cautions)


def _cost(effects: Sequence[float]) -> str:
    if not effects:
        return "what that costs is not known: native was not measured against native often enough"
    low, high = (f"{100 * each:.2g}" for each in (min(effects), max(effects)))
    span = f"{low} %" if low == high else f"{low} to {high} %, depending on the workload"
    return f"the smallest effect that this run can show is {span}"


def told(cautions: Sequence[HostCaution]) -> str:
    """All of them in one sentence, with their cost; empty without any."""
    if not cautions:
        return ""
    parts = [each.text for each in cautions] + [cautions[0].cost] * bool(cautions[0].cost)
    sentence = "; ".join(parts)
    return sentence[:1].upper() + sentence[1:] + "."
