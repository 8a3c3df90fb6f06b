"""``bench --plan``: what a run would do, and about how long that takes on this host.

Durations come from trials that earlier runs of the same size recorded here; nothing is started.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import gates
from harness.directories import check_writable
from harness.equipment import Equipment
from harness.host import facts
from harness.plan.plan import Plan, Request, make_plan
from harness.plan.resume import plan_of
from harness.plan.schedule import Arm, Slot
from harness.progress.progress import Estimate
from results.errors import StoreError
from results.records.records import Run, Trial
from results.store.store import RunDirectory, names

LOOKED_AT = 100
"""Latest runs that are asked whether they tell anything."""
USED = 10
"""Runs whose trials are read: what a trial takes changes with what is installed."""
LONGEST_S = 86400.0
"""No trial takes a day: a journal that says so is not believed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """All trials of one workload in one arm."""

    workload: str
    arm: Arm
    trials: int
    seconds: float | None
    """What they take together; None: nothing is known."""
    timed: bool
    """Such trials have been timed here; else it is guessed from others."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plan comes to."""

    plan: Plan
    kinds: tuple[Kind, ...]
    """In the plan's order of workloads and arms, without those that take no part."""
    misfits: Mapping[tuple[str, Arm], str]
    """Workload and arm → why that arm takes no part in it."""
    never_valid: frozenset[Arm]
    """Arms none of whose samples counted in the latest run that had them."""
    unknown: frozenset[Arm]
    """Arms that no run here had: whether they count is found out at the run's start."""
    runs: tuple[str, ...]
    """Where the durations come from, the latest first."""
    done: int = 0
    """Trials that the run to be resumed has."""
    damage: tuple[str, ...] = ()
    """What is damaged in that run's files: its trials are made again."""


@dataclass(slots=True)
class _History:
    """What earlier runs say of the arms of a plan."""

    estimate: Estimate = field(default_factory=Estimate)
    conditions: dict[Arm, frozenset[str]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)


def of_new(equipment: Equipment, request: Request) -> Forecast:
    """What ``bench`` would do with this request.

    Raises:
        UsageFault, HarnessFault, StoreError: as ``bench``, for what can be told beforehand.
    """
    plan = make_plan(request, equipment.runtimes, equipment.workloads)
    check_writable(equipment.places.runs)
    return _foresee(plan, equipment)


def of_rest(equipment: Equipment, name: str, options: Mapping[str, str]) -> Forecast:
    """What ``bench --resume`` would still do.

    Raises:
        HarnessFault, StoreError: as ``resume``.
    """
    directory = RunDirectory.open(name, equipment.places.runs)
    plan = plan_of(directory, equipment.runtimes, equipment.workloads, options)
    foreseen = _foresee(plan, equipment, {trial.trial_id for trial in directory.trials()})
    return dataclasses.replace(foreseen, damage=directory.contents().told())


def _foresee(plan: Plan, equipment: Equipment, done: Collection[str] = ()) -> Forecast:
    runtimes, runs = equipment.runtimes, equipment.places.runs
    history = _history(plan, runs)
    found = frozenset(arm for arm, codes in history.conditions.items() if gates.never_valid(codes))
    never_valid = found if found < set(plan.arms) else frozenset()  # as in a bench
    slots = [each for each in plan.slots(runtimes, never_valid) if each.trial_id not in done]
    by_kind: dict[tuple[str, Arm], list[Slot]] = {}
    for slot in slots:
        by_kind.setdefault((slot.workload, slot.arm), []).append(slot)
    pairs = list(itertools.product(plan.workloads, plan.arms))
    return Forecast(
        plan=plan,
        kinds=tuple(
            Kind(
                workload,
                arm,
                trials=len(its),
                seconds=history.estimate.remaining_s(its),
                timed=history.estimate.knows(its[0]),
            )
            for workload, arm in pairs
            if (its := by_kind.get((workload, arm)))
        ),
        misfits={
            (workload, arm): why
            for workload, arm in pairs
            if (why := plan.misfit(arm, workload, runtimes))
        },
        never_valid=never_valid,
        unknown=frozenset(plan.arms) - history.conditions.keys(),
        runs=tuple(history.runs),
        done=len(done),
    )


def _history(plan: Plan, runs: Path) -> _History:
    history, here = _History(), facts.facts()
    for name in names(runs)[:LOOKED_AT]:
        if len(history.runs) == USED:
            break
        with contextlib.suppress(StoreError):  # whoever opens that run is told what is wrong
            directory = RunDirectory.open(name, runs)
            run = directory.run()
            if run.source == "bench" and _same_host(run, here):
                _learn(history, plan, run, directory)
    return history


def _learn(history: _History, plan: Plan, run: Run, directory: RunDirectory) -> None:
    for each in run.arms:
        arm = Arm(each.backend, each.profile)
        if arm in plan.arms:
            history.conditions.setdefault(arm, frozenset(each.conditions))
    if dict(run.size) != {"iterations": plan.size.iterations, "seconds": plan.size.seconds}:
        return
    used = False
    for trial in directory.trials():
        slot = Slot(trial.block, trial.position, Arm(trial.backend, trial.profile), trial.workload)
        seconds = _took_s(trial)
        if slot.arm in plan.arms and seconds is not None:
            history.estimate.learn(slot, seconds)
            used = True
    if used:
        history.runs.append(run.run_id)


def _took_s(trial: Trial) -> float | None:
    """What a trial took, the harness's part in it included; of a block in slices its share."""
    if trial.pressure is None or trial.beside < 0:
        return None
    seconds = trial.pressure.seconds / (1 + trial.beside) + trial.bookkeeping_ns / 1e9
    return seconds if math.isfinite(seconds) and 0.0 <= seconds < LONGEST_S else None


def _same_host(run: Run, here: Mapping[str, Any]) -> bool:
    cpu = run.host.get("cpu")
    return (
        isinstance(cpu, Mapping)
        and run.host.get("kernel") == here["kernel"]
        and cpu.get("model") == here["cpu"]["model"]
    )
