"""One trial: one workload in one fresh instance, with its gates, as a record and its samples."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness import gates
from harness.clock import stamp
from harness.errors import HarnessFault, describe
from harness.plan.schedule import Slot
from harness.trial import work
from harness.trial.box import Box, inspect, started
from harness.trial.context import Context
from results.records.records import (
    AT_LEAST,
    EMULATED,
    WARM_UP,
    GateFinding,
    Pressure,
    Sample,
    Status,
    Trial,
)
from results.steady import Steadiness, steadiness
from runtimes.faults import RuntimeFault
from runtimes.resources import LimitsRead
from runtimes.variations import is_cold
from workloads.base import CommandWork, Metric, StartupWork, Workload, WorkloadFault

FAULTS = (RuntimeFault, WorkloadFault, HarnessFault, OSError, TimeoutError)
"""What may go wrong in a trial without being our own mistake: the trial fails, the run goes on."""


@dataclass(slots=True)
class Outcome:
    """What has become of a trial so far."""

    marks: Mapping[str, int] = field(default_factory=dict)
    readings: list[work.Reading] = field(default_factory=list)
    box: Box | None = None
    steadiness: Steadiness | None = None
    """Of its iterations."""
    error: str = ""
    tail: str = ""
    neighbours: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Of slices: round → place in the block's order, and the arm before."""
    beside: int = 0
    """Instances that were up together with it."""

    def fail(self, error: BaseException) -> None:
        """It failed of this; what it measured is not believed."""
        message, hint, self.tail = describe(error)
        self.error = f"{message} ({hint})" if hint else message
        self.readings = []


def run_trial(context: Context, slot: Slot, attempt: int) -> tuple[Trial, list[Sample]]:
    """Run the trial planned in ``slot``; a failed one has a record and no samples."""
    clock, workload = context.clock, context.workloads[slot.workload]
    _warm(context, workload, slot)
    begun_utc, entered_ns = stamp(clock.utc()), clock.now_ns()
    ended = context.watch(during=may_be_looked_at(context, workload))
    outcome = Outcome()
    working_ns = clock.now_ns()
    try:
        _work(context, workload, slot, outcome)
    except FAULTS as error:
        outcome.fail(error)
    except BaseException:
        ended()  # whatever looks at the host beside the work ends with it
        raise
    outcome.steadiness = _steadiness(workload, outcome.readings)
    worked_ns = clock.now_ns()
    held_back_ns = outcome.box.throttled_ns if outcome.box else None
    around = dataclasses.replace(ended(), box_throttled_ns=held_back_ns)
    findings = judge(context, workload, slot, outcome, around)
    trial = record(
        context,
        slot,
        attempt,
        outcome,
        findings=findings,
        around=around,
        begun_utc=begun_utc,
    )
    samples = samples_of(workload, trial, outcome)
    own_ns = clock.now_ns() - entered_ns - (worked_ns - working_ns)
    return dataclasses.replace(trial, bookkeeping_ns=own_ns), samples


def _warm(context: Context, workload: Workload, slot: Slot) -> None:
    """Where a cold arm has dropped what this arm finds in memory: once for nothing.

    A run without cold arms warms nothing: its first block does, and images have just been made.
    """
    arm = slot.arm
    if not is_cold(arm.profile) and context.to_be_warmed(arm.backend, arm.profile, workload.name):
        with contextlib.suppress(*FAULTS):  # the trial itself will fail likewise and say so
            _work(context, workload, slot, Outcome())


def may_be_looked_at(context: Context, workload: Workload) -> bool:
    """Whether the host's pace can be read while it works without any harm to what it measures.

    Not where a box shares the harness's CPU, nor where the harness's own CPU is in the figures: it
    times starts, and the peer measures the network from there.
    """
    return (
        isinstance(workload.work(context.size), CommandWork)
        and not workload.needs_network
        and bool(context.harness_cpus)
        and context.harness_cpus.isdisjoint(context.limits.cpus)
    )


def _work(context: Context, workload: Workload, slot: Slot, outcome: Outcome) -> None:
    backend, profile = slot.arm.backend, slot.arm.profile
    task = workload.work(context.size)
    if isinstance(task, StartupWork):
        box, readings = work.time_startup(context, workload, task, backend, profile)
    else:
        with started(context, backend, profile, volume=workload.needs_volume) as box:
            outcome.marks = box.marks
            inspect(context, box, workload.program)
            readings = work.perform(context, workload, box)
    outcome.box, outcome.marks = box, box.marks
    outcome.readings = checked(workload, readings)


def checked(workload: Workload, readings: list[work.Reading]) -> list[work.Reading]:
    """``readings``, if they are numbers of metrics that the workload declares.

    Raises:
        HarnessFault: they are not.
    """
    known = {metric.name for metric in workload.metrics}
    for name, _, value in readings:
        if name not in known:
            raise HarnessFault(f"{workload.name} yields a metric that it does not declare: {name}")
        if not math.isfinite(value):
            raise HarnessFault(f"{workload.name}: {name} is {value}, which is no measurement")
    return readings


def _steadiness(workload: Workload, readings: list[work.Reading]) -> Steadiness | None:
    """Whether the measured iterations settled, told by the workload's primary metric."""
    primary = next(metric for metric in workload.metrics if metric.primary)
    values = [value for name, at, value in readings if name == primary.name and at >= 1]
    return steadiness(values, direction=primary.direction) if values else None


def judge(
    context: Context, workload: Workload, slot: Slot, outcome: Outcome, around: Pressure
) -> tuple[GateFinding, ...]:
    """What the gates say of it; nothing where there was no box."""
    box = outcome.box
    if box is None:
        return ()
    return gates.judge(
        gates.Evidence(
            planned=context.limits,
            outside=box.outside,
            inside=box.inside,
            conditions=context.conditions(slot.arm.backend, slot.arm.profile),
            expected_program=context.bits.program_digest(workload.program),
            program=box.program_digest,
            expected_rootfs=context.bits.digest,
            rootfs=box.facts.get("rootfs_digest", ""),
            pressure=around,
            facts=box.facts,
            host=context.host,
            harness_cpus=context.harness_cpus,
            durations=tuple(box.durations),
            steadiness=outcome.steadiness,
        )
    )


def _status(outcome: Outcome, findings: tuple[GateFinding, ...]) -> Status:
    if outcome.error:
        return "failed"
    return "invalid" if any(each.severity == "invalid" for each in findings) else "ok"


def record(
    context: Context,
    slot: Slot,
    attempt: int,
    outcome: Outcome,
    *,
    findings: tuple[GateFinding, ...],
    around: Pressure,
    begun_utc: str,
) -> Trial:
    """Its record; the harness's own time in it is still to be told."""
    request_ns = outcome.marks.get("request", 0)
    nothing = LimitsRead(None, None, None)
    box = outcome.box
    return Trial(
        run_id=context.run_id,
        trial_id=slot.trial_id,
        attempt=attempt,
        block=slot.block,
        position=slot.position,
        backend=slot.arm.backend,
        profile=slot.arm.profile,
        workload=slot.workload,
        status=_status(outcome, findings),
        findings=findings,
        error=outcome.error,
        tail=outcome.tail,
        started_utc=begun_utc,
        phases_ns={name: at - request_ns for name, at in outcome.marks.items()},
        limits_outside=dataclasses.asdict(box.outside if box else nothing),
        limits_inside=dataclasses.asdict(box.inside if box else nothing),
        program_digest=box.program_digest if box else "",
        pressure=around,
        bookkeeping_ns=0,
        beside=outcome.beside,
    )


def _bounding(metric: Metric, trial: Trial) -> tuple[str, ...]:
    """The mark of a sample that bounds though it does not count; see results.frame, too."""
    emulated = any(finding.code == EMULATED for finding in trial.findings)
    return (AT_LEAST,) if emulated and metric.if_emulated == AT_LEAST else ()


def samples_of(workload: Workload, trial: Trial, outcome: Outcome) -> list[Sample]:
    """Every reading; those from before the steady state are marked, and count nowhere."""
    metrics = {metric.name: metric for metric in workload.metrics}
    settled_from = 1 + ((outcome.steadiness.steady_from or 0) if outcome.steadiness else 0)
    reasons = tuple(finding.code for finding in trial.findings)
    return [
        Sample(
            run_id=trial.run_id,
            trial_id=trial.trial_id,
            attempt=trial.attempt,
            block=trial.block,
            backend=trial.backend,
            profile=trial.profile,
            workload=trial.workload,
            metric=name,
            unit=metrics[name].unit,
            direction=metrics[name].direction,
            iteration=iteration,
            value=value,
            valid=trial.status == "ok" and iteration >= settled_from,
            reasons=(*reasons, WARM_UP)
            if iteration < settled_from
            else (*reasons, *_bounding(metrics[name], trial)),
            place=outcome.neighbours.get(iteration, (None, ""))[0],
            after=outcome.neighbours.get(iteration, (None, ""))[1],
        )
        for name, iteration, value in outcome.readings
    ]
