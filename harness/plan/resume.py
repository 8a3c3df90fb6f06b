"""The plan of a run that was begun, to go on with: from its record, believed in nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from harness.errors import HarnessFault, UsageFault
from harness.plan.limits import Allotment, allot
from harness.plan.plan import LARGEST_BLOCKS, Plan
from harness.plan.schedule import Arm
from results.records.bounds import MOST
from results.records.records import Run
from results.store.damage import printable
from results.store.store import RunDirectory
from runtimes.base import Runtime
from runtimes.linux.disk.keeper import LARGEST as LARGEST_DISK
from runtimes.resources import PIDS_MAX
from workloads.base import Size, Workload

LARGEST_TRIALS = 10_000_000
"""No run has so many: whoever counts them would not end."""

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class _Limits:
    """``limits`` of run.json, as far as a plan is made from them."""

    cpus: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=65_535)], ...], Meta(min_length=1, max_length=4096)
    ]
    cpu_quota: Annotated[float, Meta(ge=0.01, le=65_536.0)]
    memory_bytes: Annotated[int, Meta(ge=1, le=MOST)]
    pids_max: Annotated[int, Meta(ge=1, le=MOST)] = PIDS_MAX
    disk_bytes: Annotated[int, Meta(ge=0, le=LARGEST_DISK)] = 0
    """Runs before there was a limit of disk have none."""


@dataclass(frozen=True, slots=True)
class _Size:
    """``size`` of run.json."""

    iterations: Annotated[int, Meta(ge=1, le=1_000_000)]
    seconds: Annotated[int, Meta(ge=1, le=86_400)]


def plan_of(
    directory: RunDirectory,
    runtimes: Mapping[str, Runtime],
    workloads: Mapping[str, Workload],
    options: Mapping[str, str],
) -> Plan:
    """The plan of a run that was killed, or whose files lost something, to go on with.

    Raises:
        HarnessFault: it is finished and whole, was imported, needs a backend or workload that is
            gone, or its record holds what no run has.
        StoreError: its journals cannot be read.
    """
    run = directory.run()
    _check_open(directory)
    gone = [name for name in (each.name for each in run.workloads) if name not in workloads]
    gone += [arm.backend for arm in run.arms if arm.backend not in runtimes]
    if gone:
        named = printable(", ".join(dict.fromkeys(gone)))
        raise HarnessFault(f"run {run.run_id} needs {named}, which is not installed here")
    _check_extent(run)
    size = _shaped(run, "size", run.size, _Size)
    return Plan(
        run_id=run.run_id,
        arms=tuple(sorted(Arm(each.backend, each.profile) for each in run.arms)),
        workloads={each.name: workloads[each.name] for each in run.workloads},
        suite=run.suite,
        size=Size(size.iterations, size.seconds),
        rounds=run.rounds,
        partial=run.partial,
        blocks=run.blocks,
        emulated_blocks=run.emulated_blocks,
        seed=run.seed,
        allotment=_allotment(run),
        skipped=run.skipped,
        tolerant=False,
        options=options,
        command=run.command,
        budget_s=run.budget_s,
        sliced=frozenset(each.name for each in run.workloads if each.design == "slices"),
    )


def _check_open(directory: RunDirectory) -> None:
    """There is something to go on with."""
    run = directory.run()
    if run.source != "bench":
        source = printable(run.source)
        raise HarnessFault(f"run {run.run_id} was imported ({source}): nothing to resume")
    if run.finished_utc and not directory.contents().damaged:
        raise HarnessFault(
            f"run {run.run_id} is finished", hint="start a new one, or see its report.html"
        )


def _check_extent(run: Run) -> None:
    if not 1 <= run.blocks <= LARGEST_BLOCKS:
        raise _odd(run, f"blocks: {run.blocks} is not between 1 and {LARGEST_BLOCKS}")
    rounds = sum(run.rounds.get(each.name, 1) for each in run.workloads)
    trials = run.blocks * rounds * len(run.arms)
    if not 1 <= trials <= LARGEST_TRIALS:
        raise _odd(run, f"its arms, workloads, blocks and rounds make {trials} trials")


def _allotment(run: Run) -> Allotment:
    limits = _shaped(run, "limits", run.limits, _Limits)
    cpuset = ",".join(str(cpu) for cpu in limits.cpus)
    try:
        return allot(
            str(limits.cpu_quota), cpuset, str(limits.memory_bytes), disk_bytes=limits.disk_bytes
        )
    except UsageFault as fault:
        raise HarnessFault(
            f"run {run.run_id} cannot go on with its limits here: {fault}",
            hint="resume it on the host that it began on; or start a new run",
        ) from None


def _shaped(run: Run, name: str, value: Mapping[str, Any], shape: type[Shape]) -> Shape:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _odd(run, f"{name}: {printable(str(error))}") from None


def _odd(run: Run, what: str) -> HarnessFault:
    return HarnessFault(
        f"run {run.run_id} cannot be resumed: run.json: {what}",
        hint="restore run.json from a copy; its trials stay readable with invoke report",
    )
