"""The main job: plan, prepare, run the trials, write the report."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from harness.clean import clean
from harness.clock import Clock, stamp
from harness.directories import PROJECT, check_writable
from harness.equipment import Equipment
from harness.errors import HarnessFault, describe
from harness.host import facts, lock
from harness.plan import claims
from harness.plan.plan import Plan, Request, make_plan
from harness.plan.resume import plan_of
from harness.prepare.prepare import Prepared, imaginary, prepared
from harness.privacy import RedactingJournal
from harness.progress.progress import TerminalObserver
from harness.run import stopping
from harness.run.interrupt import orderly
from harness.run.loop import Tally, run_all
from harness.run.pinning import pinned
from harness.run.settling import Child
from harness.run.standings import Showing
from results.errors import PARTS_MISSING
from results.records.records import SCHEMA, Run, WorkloadRecord
from results.store.store import RunDirectory
from runtimes import process
from runtimes.conventions import AGENT_PATH
from runtimes.faults import RuntimeFault
from runtimes.linux.ids import entering
from workloads.base import Workload

REPORT_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    directory: Path
    report: Path | None
    """None: it could not be written; the data are whole."""
    tally: Tally
    """Of the trials of this invocation."""
    missing: tuple[str, ...] = ()
    """What of the report is missing, in a line each."""
    damage: tuple[str, ...] = ()
    """What is damaged in the run's files and was left out."""


def bench(
    equipment: Equipment, request: Request, observer: TerminalObserver, *, wait: bool
) -> Result:
    """Make a new run.

    Raises:
        UsageFault, HarnessFault, RuntimeFault, StoreError: before the first trial.
        Interrupted: after everything was put away; the run can be resumed.
    """
    plan = make_plan(request, equipment.runtimes, equipment.workloads)
    check_writable(equipment.places.runs)
    with exclusively(equipment, plan, observer, wait=wait):
        return _carry_out(equipment, plan, observer, None, own=request.claims)


def resume(
    equipment: Equipment,
    name: str,
    options: Mapping[str, str],
    observer: TerminalObserver,
    *,
    wait: bool,
) -> Result:
    """Go on with a run that was killed: no finished trial is lost, none is repeated.

    Trials whose record or samples are damaged are told, and made again; so they are in a run that
    is finished.

    Raises:
        As ``bench``; also where the run is finished or this host is not the one it ran on.
    """
    directory = RunDirectory.open(name, equipment.places.runs)
    plan = plan_of(directory, equipment.runtimes, equipment.workloads, options)
    for line in directory.contents().told():
        observer.note(f"damaged, left out: {line}")
    with exclusively(equipment, plan, observer, wait=wait):
        for line in clean.clean_run(plan.run, equipment.places.state, equipment.runtimes):
            observer.note(f"left by the killed run, removed: {line}")
        return _carry_out(equipment, plan, observer, directory)


@contextlib.contextmanager
def exclusively(
    equipment: Equipment, plan: Plan, observer: TerminalObserver, *, wait: bool
) -> Iterator[None]:
    """Be the only one at work on this host, unless nothing of the plan is real; end in order."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(orderly(observer.note))
        if not imaginary(plan, equipment.runtimes):
            stack.enter_context(lock.measuring(wait=wait, told=observer.note))
        stack.enter_context(lock.alive(plan.run))
        if not imaginary(plan, equipment.runtimes):
            entering.enter(observer.note)  # nothing for root; before there is any thread
        yield


def _carry_out(
    equipment: Equipment,
    plan: Plan,
    observer: TerminalObserver,
    directory: RunDirectory | None,
    *,
    own: str = "",
) -> Result:
    with observer.showing(), prepared(plan, equipment, observer) as ready:
        run = equipment.redaction.run(_run_record(ready, equipment.clock))
        if directory is None:
            run = stopping.planned(run, Child(), observer)
            directory = RunDirectory.create(equipment.places.runs, run)
            claims.keep(own, directory.path)
        else:
            _check_same(directory.run(), run)
            run = stopping.resumed(run, directory.run())
            directory.reopen()
        with directory:
            with _at_work(ready):
                run, tally = _measured(ready, equipment, run, directory, observer)
            directory.finish(
                dataclasses.replace(
                    run,
                    finished_utc=stamp(equipment.clock.utc()),
                    harness_peak_rss_bytes=facts.peak_rss_bytes(),
                )
            )
    observer.doing("writing the report")
    damage = directory.contents().told()
    try:
        report = write_report(directory.path)
    except RuntimeFault as fault:
        message, hint, tail = describe(fault)
        return Result(directory.path, None, tally, (message, *tail.splitlines(), hint), damage)
    return Result(directory.path, report.page, tally, report.missing, damage)


def _measured(
    ready: Prepared,
    equipment: Equipment,
    run: Run,
    directory: RunDirectory,
    observer: TerminalObserver,
) -> tuple[Run, Tally]:
    """Run the trials; with a budget, until the claims are settled or it ends."""
    # Where no arm can ever count there is nothing that their time could go to.
    never_valid = ready.never_valid if ready.never_valid < set(ready.plan.arms) else frozenset()
    slots = ready.plan.slots(equipment.runtimes, never_valid)
    journal = RedactingJournal(directory, equipment.redaction)
    if run.budget_s is None:
        clock = equipment.clock
        showing = Showing(directory.path, slots, ready.plan.rounds, clock, observer)
        return run, run_all(ready.context, slots, journal, observer, showing)
    steering = stopping.Stopping(run, directory, Child(), equipment.clock, observer)
    observer.budget_left_s = lambda: steering.left_s
    tally = run_all(ready.context, slots, journal, observer, steering)
    return steering.conclude(), tally


@contextlib.contextmanager
def _at_work(ready: Prepared) -> Iterator[None]:
    """The harness on its own CPUs, where it has some; the gates are told which they are."""
    allotment = ready.plan.allotment
    with contextlib.ExitStack() as stack:
        cpus = frozenset(allotment.harness_cpus)
        if not allotment.shared:
            cpus = stack.enter_context(pinned(cpus))
        ready.context.harness_cpus = cpus
        yield


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A page, and what of it is missing."""

    page: Path
    missing: tuple[str, ...] = ()
    """Parts that could not be made, in a line each."""


def write_report(directory: Path) -> WrittenReport:
    """Write ``report.html`` and ``samples.parquet`` of a run, in a process of its own.

    pandas and matplotlib are loaded there: the process that measures stays lean.

    Raises:
        CommandFailed: with the tail of what it said.
    """
    done = process.run(
        [sys.executable, "-m", "reports", str(directory)],
        timeout_s=REPORT_TIMEOUT_S,
        cwd=PROJECT,
        hint=f"the data are safe; try again with: invoke report --run {directory.name}",
        accepted=(0, PARTS_MISSING),
    )
    told = done.stderr.decode("utf-8", "replace").splitlines()
    return WrittenReport(
        directory / "report.html", tuple(told) if done.status == PARTS_MISSING else ()
    )


def _run_record(ready: Prepared, clock: Clock) -> Run:
    plan = ready.plan
    return Run(
        schema=SCHEMA,
        run_id=plan.run_id,
        created_utc=stamp(clock.utc()),
        tarebench=version("tarebench"),
        command=plan.command,
        seed=plan.seed,
        suite=plan.suite,
        size=dataclasses.asdict(plan.size),
        rounds=dict(plan.rounds),
        partial=dict(plan.partial),
        blocks=plan.blocks,
        budget_s=plan.budget_s,
        emulated_blocks=plan.emulated_blocks,
        arms=ready.arms,
        workloads=tuple(
            _workload_record(each, sliced=each.name in plan.sliced)
            for each in plan.workloads.values()
        ),
        skipped=plan.skipped,
        limits={
            **dataclasses.asdict(plan.allotment.box),
            "harness_cpus": plan.allotment.harness_cpus,
            "harness_shares_cpus": plan.allotment.shared,
        },
        rootfs_digest=ready.rootfs.digest,
        packages=dict(ready.rootfs.packages),
        program_digests={
            path: ready.rootfs.program_digest(path)
            for path in sorted({AGENT_PATH, *(each.program for each in plan.workloads.values())})
        },
        host=ready.host,
    )


def _workload_record(workload: Workload, *, sliced: bool) -> WorkloadRecord:
    primary = next((each for each in workload.metrics if each.primary), workload.metrics[0])
    return WorkloadRecord(
        name=workload.name,
        resource=workload.resource,
        title=workload.title,
        primary=primary.name,
        metrics=tuple((each.name, each.unit, each.direction) for each in workload.metrics),
        design="slices" if sliced else "trials",
    )


def _check_same(before: Run, now: Run) -> None:
    """A resumed run must go on under the conditions under which it began."""
    differing = [
        name
        for name, first, second in (
            ("root filesystem", before.rootfs_digest, now.rootfs_digest),
            ("kernel", before.host.get("kernel"), now.host.get("kernel")),
            ("CPU", before.host.get("cpu", {}).get("model"), now.host["cpu"]["model"]),
            ("clock source", before.host.get("clock_source"), now.host.get("clock_source")),
            ("tuning", before.host.get("tuned_since", ""), now.host.get("tuned_since", "")),
        )
        if first != second
    ]
    if differing:
        raise HarnessFault(
            f"run {before.run_id} cannot be resumed: {', '.join(differing)} changed since",
            hint="its finished trials stay readable with invoke report; start a new run",
        )
