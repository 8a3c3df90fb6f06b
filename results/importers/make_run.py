"""From readings to a run: its record, its trials and their samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from results.importers.arms import BASELINE
from results.importers.errors import ImportFault
from results.importers.reading import Reading
from results.records.records import (
    SCHEMA,
    ArmRecord,
    GateFinding,
    Run,
    Sample,
    Trial,
    WorkloadRecord,
    arm_name,
)

RESOURCES = (
    *("cpu", "memory", "network", "storage", "startup", "footprint", "system", "application"),
)
OTHER = "other"
"""Resource of a workload whose name does not begin with one."""

ELSEWHERE = GateFinding(
    code="imported",
    severity="caution",
    reason="measured elsewhere: limits, programs and the host's state were checked by nobody here",
)

LARGEST_BLOCK = 1 << 31
ARMS_SHOWN = 12
BATCH = 2000
"""Trials written at a time."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a run's record says beside its data."""

    run_id: str
    created_utc: str
    tarebench: str
    command: tuple[str, ...]
    source: str
    host: Mapping[str, Any]
    notes: tuple[str, ...]
    primary: str


@dataclass(slots=True)
class TrialPlan:
    """The readings of one trial."""

    arm: str
    workload: str
    block: int
    position: int
    readings: list[Reading] = field(default_factory=list)

    @property
    def failure(self) -> str:
        """Why it failed; empty where it did not."""
        return next((reading.failure for reading in self.readings if reading.failure), "")


Record = tuple[Trial, tuple[Sample, ...]]


@dataclass(frozen=True, slots=True)
class Made:
    """A run, not written yet."""

    run: Run
    plan: tuple[TrialPlan, ...]
    paired: bool

    @property
    def trials(self) -> tuple[Record, ...]:
        """Every trial with its samples."""
        return tuple(_records(self.run.run_id, self.plan))

    def batches(self) -> Iterator[list[Record]]:
        """The same, some at a time: a million samples at once would take a gigabyte."""
        records = _records(self.run.run_id, self.plan)
        while batch := list(itertools.islice(records, BATCH)):
            yield batch


def make(header: Header, readings: Sequence[tuple[str, Reading]], baseline: str) -> Made:
    """The run of ``readings``, each with its arm; ``baseline`` becomes ``native``.

    Raises:
        ImportFault: ``header.primary`` is no metric of theirs.
    """
    renamed = [(BASELINE if arm == baseline else arm, reading) for arm, reading in readings]
    trials = _trials(renamed)
    workloads = _workloads([reading for _, reading in renamed], header.primary)
    run = Run(
        schema=SCHEMA,
        run_id=header.run_id,
        created_utc=header.created_utc,
        tarebench=header.tarebench,
        command=header.command,
        seed=0,
        suite="import",
        size={},
        rounds={},
        blocks=len({trial.block for trial in trials}),
        emulated_blocks=0,
        arms=tuple(_arm(arm, baseline) for arm in _in_order(arm for arm, _ in renamed)),
        workloads=workloads,
        skipped=(),
        limits={},
        rootfs_digest="",
        packages={},
        host=header.host,
        finished_utc=header.created_utc,
        source=header.source,
        notes=header.notes,
    )
    paired = any(reading.block for _, reading in renamed)
    return Made(run, tuple(trials), paired)


def _in_order(arms: Iterable[str]) -> list[str]:
    present = dict.fromkeys(arms)
    return sorted(present, key=lambda arm: arm != BASELINE)


def _arm(arm: str, baseline: str) -> ArmRecord:
    backend, _, profile = arm.partition(":")
    called = {"called there": baseline} if arm == BASELINE != baseline else {}
    return ArmRecord(backend, profile or "default", conditions=(), versions=called, bits={})


def _workloads(readings: Iterable[Reading], primary: str) -> tuple[WorkloadRecord, ...]:
    metrics: dict[str, dict[str, Reading]] = {}
    for reading in readings:
        metrics.setdefault(reading.workload, {}).setdefault(reading.metric, reading)
    if primary and not any(primary in of for of in metrics.values()):
        there = ", ".join(dict.fromkeys(name for of in metrics.values() for name in of))
        raise ImportFault(
            f"--primary: no metric is called {primary!r:.80}", f"there are: {there:.300}"
        )
    return tuple(
        WorkloadRecord(
            name=name,
            resource=resource(name),
            title=name,
            primary=primary if primary in of else next(iter(of)),
            metrics=tuple((each.metric, each.unit, each.direction) for each in of.values()),
        )
        for name, of in metrics.items()
    )


def resource(workload: str) -> str:
    """What a workload tries: the word before the dot, where that is a resource."""
    word = workload.partition(".")[0].casefold()
    return word if word in RESOURCES else OTHER


def _trials(readings: Sequence[tuple[str, Reading]]) -> list[TrialPlan]:
    """Readings by trial.

    A reading without a block gets a block of its trial's own, so that nothing is paired.
    """
    numbers = _numbered(dict.fromkeys(reading.block for _, reading in readings if reading.block))
    free = itertools.count(max(numbers.values(), default=0) + 1)
    alone = itertools.count()
    trials: dict[tuple[str, str, str, str | int], TrialPlan] = {}
    positions: dict[int, int] = {}
    for arm, reading in readings:
        key = (arm, reading.workload, reading.block, reading.trial or next(alone))
        trial = trials.get(key)
        if trial is None:
            block = numbers[reading.block] if reading.block else next(free)
            positions[block] = positions.get(block, -1) + 1
            trial = trials[key] = TrialPlan(arm, reading.workload, block, positions[block])
        trial.readings.append(reading)
    return list(trials.values())


def _numbered(labels: Iterable[str]) -> Mapping[str, int]:
    """Blocks keep their numbers where all are numbers; else they count in order of appearance."""
    names = list(labels)
    if all(name.isascii() and name.isdigit() and len(name) < 11 for name in names):
        numbers = {name: int(name) for name in names}
        if len(set(numbers.values())) == len(names) and max(numbers.values(), default=0) < (
            LARGEST_BLOCK
        ):
            return numbers
    return {name: number for number, name in enumerate(names, 1)}


def _records(run_id: str, trials: Iterable[TrialPlan]) -> Iterator[Record]:
    taken: dict[str, int] = {}
    for each in trials:
        trial_id = _unique(f"{each.workload}-b{each.block:03d}-{each.arm}", taken)
        failure = each.failure
        backend, _, profile = each.arm.partition(":")
        trial = Trial(
            run_id=run_id,
            trial_id=trial_id,
            attempt=1,
            block=each.block,
            position=each.position,
            backend=backend,
            profile=profile or "default",
            workload=each.workload,
            status="failed" if failure else "ok",
            findings=(ELSEWHERE,),
            error=f"the command failed where it was measured: {failure}" if failure else "",
            tail="",
            started_utc="",
            phases_ns={},
            limits_outside={},
            limits_inside={},
            program_digest="",
            pressure=None,
            bookkeeping_ns=0,
        )
        yield trial, () if failure else tuple(_samples(trial, each.readings))


def _unique(name: str, taken: dict[str, int]) -> str:
    """``name``, with a number where it is taken; ``taken`` counts how often each was asked for."""
    count = taken[name] = taken.get(name, 0) + 1
    return name if count == 1 else _unique(f"{name}-{count}", taken)


def _samples(trial: Trial, readings: Iterable[Reading]) -> Iterable[Sample]:
    for reading in readings:
        yield Sample(
            run_id=trial.run_id,
            trial_id=trial.trial_id,
            attempt=1,
            block=trial.block,
            backend=trial.backend,
            profile=trial.profile,
            workload=trial.workload,
            metric=reading.metric,
            unit=reading.unit,
            direction=reading.direction,
            iteration=reading.iteration,
            value=reading.value,
            valid=True,
            reasons=(ELSEWHERE.code,),
        )


def in_words(made: Made) -> str:
    """What the run holds, in a line."""
    arms = [arm_name(each.backend, each.profile) for each in made.run.arms]
    samples = sum(len(trial.readings) for trial in made.plan if not trial.failure)
    pairing = "paired by block" if made.paired else "without blocks, so nothing is paired"
    workloads = len(made.run.workloads)
    plural = "s" if workloads != 1 else ""
    if len(arms) > ARMS_SHOWN:
        arms[ARMS_SHOWN:] = [f"{len(arms) - ARMS_SHOWN} more arms"]
    failed = sum(bool(trial.failure) for trial in made.plan)
    failures = f" ({failed} failed)" if failed else ""
    return (
        f"{samples} samples of {len(made.plan)} trials{failures} in {', '.join(arms)}; "
        f"{workloads} workload{plural}; {pairing}"
    )
