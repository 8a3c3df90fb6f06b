"""Which arms and metrics of two sides belong together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from results.comparison.model import Side
from results.ledger.judge.evidence import AGAIN, NEVER_VALID, Values
from results.records.records import Direction


@dataclass(frozen=True, slots=True)
class Pair:
    """A metric that can be compared."""

    workload: str
    metric: str
    unit: str
    direction: Direction
    arms: tuple[str, str]
    values: tuple[Values, Values]


def arms_of(a: Side, b: Side, left_out: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of arms: the two selected ones, or each that both sides have."""
    if a.arm or b.arm:
        chosen = [(a.arm or b.arm, b.arm or a.arm)]
    else:
        # What sets the floor is no subject of its own.
        names = [arm for arm in a.evidence.arms if arm != AGAIN]
        chosen = [(arm, arm) for arm in names if arm in b.evidence.arms]
        for which, side, other in (("A", a, b), ("B", b, a)):
            alone = [arm for arm in side.evidence.arms if arm not in other.evidence.arms]
            left_out += [f"{arm}: only {which} has it" for arm in alone if arm != AGAIN]
    for arms in chosen:
        bad = [
            (arm, side.evidence.never_valid[arm])
            for arm, side in zip(arms, (a, b), strict=True)
            if arm in side.evidence.never_valid
        ]
        if bad:
            left_out.append(f"{bad[0][0]} {NEVER_VALID[bad[0][1]]}")
        else:
            yield arms


def pairs_of(
    a: Side, b: Side, arms: tuple[str, str], only: str, left_out: list[str]
) -> Iterator[Pair]:
    """Every metric that both sides have in these arms; ``left_out`` gets what one has alone."""
    for workload, metric in _metrics(a, only):
        known = [side.evidence.metrics.get((workload, metric)) for side in (a, b)]
        values = (
            a.evidence.of(workload, metric, arms[0]),
            b.evidence.of(workload, metric, arms[1]),
        )
        counts = [each.means.size for each in values]
        where = f"{workload} {metric} in {arms[1]}"
        if not any(counts):
            tried = zip((a, b), arms, strict=True)
            if any((workload, metric, arm) in side.evidence.invalid for side, arm in tried):
                left_out.append(f"{where}: neither A nor B has a valid trial")
            continue
        kinds = {(each.units, each.directions) for each in known if each}
        if not all(counts):
            left_out.append(f"{where}: {'B' if counts[0] else 'A'} has no valid trial")
        elif len(kinds) > 1 or any(len(part) > 1 for kind in kinds for part in kind):
            left_out.append(f"{where}: A and B measured it in different units or directions")
        else:
            units, directions = kinds.pop()
            direction = cast("Direction", directions[0])
            yield Pair(workload, metric, units[0], direction, arms, values)
    for workload, metric in _metrics(b, only):
        if (workload, metric) not in a.evidence.metrics and b.evidence.of(
            workload, metric, arms[1]
        ).means.size:
            left_out.append(f"{workload} {metric} in {arms[1]}: A has no valid trial")


def _metrics(side: Side, only: str) -> list[tuple[str, str]]:
    """Metrics in the order of run.json, the primary one of each workload first."""
    order = [
        (workload.name, metric)
        for workload in side.run.workloads
        for metric in sorted(
            (name for name, _, _ in workload.metrics), key=lambda name: name != workload.primary
        )
    ]
    metrics = dict.fromkeys([*order, *side.evidence.metrics])
    wanted = {each.strip() for each in only.split(",") if each.strip()}
    resources = {workload.name: workload.resource for workload in side.run.workloads}
    return [
        (workload, metric)
        for workload, metric in metrics
        if (workload, metric) in side.evidence.metrics
        if not wanted
        or wanted & {workload, metric, f"{workload}/{metric}", resources.get(workload, "")}
    ]


def names(side: Side) -> list[str]:
    """Names that ``only`` may hold."""
    return [f"{workload}/{metric}" for workload, metric in _metrics(side, "")]
