"""The waterfall: what each mechanism costs, from a plain process to a container engine.

Its rungs are the steps of the in-repo runtime, each the one before it and one mechanism more, and
after them the tiers that other people's engines add.  A start-up is compared with the rung before
it by difference, in nanoseconds, and everything else by ratio; both within blocks.  No step is
taken to cost anything: a difference may go either way, and counts as one only where its interval
excludes none *and* it is larger than what native shows against native.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import pandas as pd

from results.ledger.judge.evidence import AGAIN, BASELINE, Evidence, Values, gather
from results.records.records import ArmRecord, Run, WorkloadRecord, arm_name
from results.stats import Direction, StatsError, compare, floor, shift
from results.stats.values import middle

CONFIDENCE = 0.95
MARGIN = 0.02
"""Of ``compare``; it changes words that are not used here, never an interval."""

TIERS: Mapping[str, tuple[str, str]] = {
    "oci": ("runc", "The same configuration, carried out by runc."),
    "containerd": ("containerd", "The same configuration, through containerd, its shim and runc."),
    "docker": ("Docker", "The same image, run by dockerd, containerd, its shim and runc."),
}
"""Backend → its name on the axis, and what it does more, in the order of the engines."""

MORE: Mapping[str, tuple[tuple[str, str], ...]] = {"startup.idle": (("ended_ns", "Ending it"),)}
"""Workload → metrics beside the primary one, with their titles."""

Kind = Literal["difference", "ratio"]
Finding = Literal["first", "costs", "saves", "unclear", "few"]
"""few: too few blocks for an interval.  unclear: not told from nothing."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One arm of the waterfall."""

    arm: str
    mechanism: str
    adds: str
    tier: bool
    """It is somebody's engine, not a step of the in-repo runtime."""
    last: bool
    """The last step of the in-repo runtime: all mechanisms together."""


@dataclass(frozen=True, slots=True)
class Change:
    """A difference in the metric's unit, or a ratio turned so that above 1 is better."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of one metric."""

    rung: Rung
    median: float
    """Of its trials: where the waterfall stands after it."""
    n: int
    """Trials."""
    together: int
    """Rungs that it adds to the one before: more than one where some between have no value."""
    change: Change | None
    """Against the rung before; None for the first, and where no block has both."""
    overall: Change | None
    """Against native; None where no block has both."""
    finding: Finding


@dataclass(frozen=True, slots=True)
class Waterfall:
    """One metric along all rungs."""

    workload: str
    title: str
    resource: str
    metric: str
    unit: str
    direction: Direction
    kind: Kind
    primary: bool
    steps: tuple[Step, ...]
    floor: float | None
    """What native shows against native: in the unit, or as a margin of the ratio; None: unknown."""


def rungs(run: Run) -> tuple[Rung, ...]:
    """The run's waterfall in order; empty where it has none.

    Of several runtimes with steps the one with most of them is taken: steps of two mean nothing
    to each other.
    """
    by_backend: dict[str, list[ArmRecord]] = {}
    for record in run.arms:
        if record.step is not None:
            by_backend.setdefault(record.backend, []).append(record)
    if not by_backend:
        return ()
    _, own = max(by_backend.items(), key=lambda item: len(item[1]))
    own.sort(key=lambda record: record.step.position if record.step else 0)
    names = {arm_name(record.backend, record.profile) for record in run.arms}
    tiers = [
        Rung(name, mechanism, adds, tier=True, last=False)
        for name, (mechanism, adds) in TIERS.items()
        if name in names
    ]
    return (*(_own_rung(record, last=record is own[-1]) for record in own), *tiers)


def _own_rung(record: ArmRecord, *, last: bool) -> Rung:
    step = record.step
    name = arm_name(record.backend, record.profile)
    mechanism, adds = (step.mechanism, step.adds) if step else (name, "")
    return Rung(name, mechanism, adds, tier=False, last=last)


def waterfalls(run: Run, frame: pd.DataFrame) -> tuple[Waterfall, ...]:
    """Every workload's waterfall in the run's order; those with fewer than two rungs are left out.

    Args:
        run: run.json; its arms tell the rungs.
        frame: as ``results.frame.load`` gives it; valid samples count.
    """
    ladder = rungs(run)
    if not ladder:
        return ()
    evidence = gather(frame, run)
    found = (
        _waterfall(evidence, ladder, workload, metric, title)
        for workload in run.workloads
        for metric, title in (
            (workload.primary, workload.title),
            *MORE.get(workload.name, ()),
        )
    )
    return tuple(one for one in found if one is not None and len(one.steps) > 1)


def _waterfall(
    evidence: Evidence,
    ladder: tuple[Rung, ...],
    workload: WorkloadRecord,
    metric: str,
    title: str,
) -> Waterfall | None:
    known = {name: (unit, direction) for name, unit, direction in workload.metrics}
    if metric not in known:
        return None
    unit, direction = known[metric]
    kind: Kind = "difference" if workload.resource == "startup" else "ratio"
    measure = _Measure(evidence, workload.name, metric, direction, kind)
    smallest = measure.floor()
    return Waterfall(
        workload=workload.name,
        title=title,
        resource=workload.resource,
        metric=metric,
        unit=unit,
        direction=direction,
        kind=kind,
        primary=metric == workload.primary,
        steps=tuple(_steps(measure, ladder, smallest)),
        floor=smallest,
    )


def _steps(measure: _Measure, ladder: tuple[Rung, ...], smallest: float | None) -> Iterator[Step]:
    before: tuple[int, Values] | None = None
    native = measure.of(BASELINE)
    for place, rung in enumerate(ladder):
        values = measure.of(rung.arm)
        if not values.means.size:
            continue
        change = None if before is None else measure.change(before[1], values)
        yield Step(
            rung=rung,
            median=middle(values.means),
            n=int(values.means.size),
            together=1 if before is None else place - before[0],
            change=change,
            overall=measure.ratio(native, values),
            finding="first" if before is None else measure.finding(change, smallest),
        )
        before = place, values


@dataclass(frozen=True, slots=True)
class _Measure:
    """How the values of one metric are compared."""

    evidence: Evidence
    workload: str
    metric: str
    direction: Direction
    kind: Kind

    def of(self, arm: str) -> Values:
        return self.evidence.of(self.workload, self.metric, arm)

    def change(self, before: Values, after: Values) -> Change | None:
        return (self.difference if self.kind == "difference" else self.ratio)(before, after)

    def difference(self, before: Values, after: Values) -> Change | None:
        try:
            found = shift(
                before.means, after.means, confidence=CONFIDENCE, blocks=_blocks(before, after)
            )
        except StatsError:  # no block with both, or a value that is no time
            return None
        return Change(found.shift, found.low, found.high)

    def ratio(self, before: Values, after: Values) -> Change | None:
        """Turned so that above 1 is better."""
        try:
            found = compare(
                before.means,
                after.means,
                margin=MARGIN,
                direction=self.direction,
                confidence=CONFIDENCE,
                blocks=_blocks(before, after),
            )
        except StatsError:
            return None
        if not found.n_units:
            return None
        if self.direction == "higher" or found.low is None or found.high is None:
            turned = found.ratio if self.direction == "higher" else 1 / found.ratio
            return Change(turned, found.low, found.high)
        return Change(1 / found.ratio, 1 / found.high, 1 / found.low)

    def floor(self) -> float | None:
        """The smallest change that this machine can show, from native against native."""
        first, again = self.of(BASELINE), self.of(AGAIN)
        if self.kind == "difference":
            change = self.difference(first, again)
            if change is None or change.low is None or change.high is None:
                return None
            return max(abs(change.low), abs(change.high))
        try:
            return floor(first.means, again.means, blocks=_blocks(first, again)).effect
        except StatsError:
            return None

    def finding(self, change: Change | None, smallest: float | None) -> Finding:
        if change is None or change.low is None or change.high is None:
            return "few"
        if self.kind == "difference":
            nothing, size = 0.0, abs(change.value)
            worse = (change.value > 0) == (self.direction == "lower")
        else:
            nothing, size = 1.0, 1 - min(change.value, 1 / change.value)
            worse = change.value < 1
        if change.low <= nothing <= change.high or size <= (smallest or 0.0):
            return "unclear"
        return "costs" if worse else "saves"


def _blocks(first: Values, second: Values) -> tuple[list[int], list[int]]:
    return cast("list[int]", first.blocks.tolist()), cast("list[int]", second.blocks.tolist())
