"""Prepare a run's engines: root filesystem, testbed, images, daemons; all undone at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import gates
from harness.directories import Places
from harness.equipment import Equipment
from harness.errors import describe
from harness.host import facts as host
from harness.host import pressure
from harness.plan import selection
from harness.plan.plan import Plan
from harness.plan.schedule import Arm
from harness.prepare import dry_run
from harness.prepare.testbed import testbed
from harness.progress.progress import Observer
from harness.trial import footprint, throttling
from harness.trial.caches import HostCaches
from harness.trial.context import Context, LeasingNetwork
from results.records.records import ArmRecord, Skipped, WaterfallStep
from runtimes import directories, variations
from runtimes.base import Capability, Engine, Runtime, Site
from runtimes.faults import RuntimeFault
from runtimes.images.rootfs.recipe import ProgramSource, Recipe, host_distribution
from runtimes.images.rootfs.rootfs import Rootfs, build
from runtimes.linux import disk, trees
from runtimes.native import peer_agent
from workloads.base import Workload


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is ready for its trials."""

    plan: Plan
    """Without backends that turned out not to run."""
    context: Context
    rootfs: Rootfs
    arms: tuple[ArmRecord, ...]
    host: dict[str, Any]
    never_valid: frozenset[Arm]
    """Arms whose samples no gate lets count."""


def imaginary(plan: Plan, runtimes: Mapping[str, Runtime]) -> bool:
    """Whether no backend of the plan starts anything."""
    chosen = [runtimes[backend] for backend in selection.backends_of(plan.arms)]
    return all(Capability.IMAGINARY in each.capabilities for each in chosen)


def recipe_for(workloads: Mapping[str, Workload]) -> Recipe:
    """The one root filesystem that serves every registered workload.

    Of all that are registered, not only of those chosen: so its digest, and with it every result,
    does not depend on what else was asked for.
    """
    packages = {package for each in workloads.values() for package in each.packages}
    programs = {
        program.path: ProgramSource(program.path, program.source, program.flags)
        for each in workloads.values()
        for program in each.programs
    }
    files = {path: text for each in workloads.values() for path, text in each.files.items()}
    return Recipe(
        suite=host_distribution().suite,
        packages=tuple(sorted(packages)),
        programs=tuple(programs[path] for path in sorted(programs)),
        files=files,
    )


@contextlib.contextmanager
def prepared(
    plan: Plan,
    equipment: Equipment,
    observer: Observer,
) -> Iterator[Prepared]:
    """Make everything that trials need; release it in reverse, also on Ctrl-C.

    Args:
        plan: what is going to run.
        equipment: what there is to run it with.
        observer: told what is being done.

    Raises:
        RuntimeFault: something could not be prepared.
    """
    with contextlib.ExitStack() as stack:
        places = equipment.places
        directories.made(places.cache, "TAREBENCH_CACHE")
        directories.made(places.state, "TAREBENCH_STATE", walked=True)
        state = directories.closed(places.state / plan.run, walked=True)
        stack.callback(_remove_state, state, places)
        rootfs, network = _ground(stack, plan, equipment, observer)
        plan = _located(plan, rootfs)
        site = Site(
            run=plan.run,
            state=state,
            cache=places.cache,
            rootfs=rootfs,
            network=network,
            limits=plan.allotment.box,
            progress=observer.doing,
            options=plan.options,
        )
        engines, plan = _engines(stack, plan, site, equipment.runtimes, observer=observer)
        context = _context(plan, equipment, site, engines, rootfs=rootfs, network=network)
        never_valid = frozenset(
            arm
            for arm in plan.arms
            if gates.never_valid(context.conditions(arm.backend, arm.profile))
        )
        _tell_of_disk(plan, context, state, observer)
        records = _arm_records(plan, context, equipment.runtimes)
        yield Prepared(plan, context, rootfs, records, dict(context.host), never_valid)


def _context(
    plan: Plan,
    equipment: Equipment,
    site: Site,
    engines: Mapping[str, Engine],
    *,
    rootfs: Rootfs,
    network: LeasingNetwork,
) -> Context:
    """What all trials share, with the host as it is now."""
    facts = host.facts()
    harness_cpus = plan.allotment.harness_cpus
    peer_site = _own_site(site, "peer")
    context = Context(
        run=plan.run,
        run_id=plan.run_id,
        clock=equipment.clock,
        engines=engines,
        workloads=plan.workloads,
        network=network,
        limits=plan.allotment.box,
        size=plan.size,
        bits=rootfs,
        host=facts,
        host_memory_bytes=facts["memory_bytes"],
        peer=lambda: peer_agent(peer_site, harness_cpus),
        unlimited=frozenset(
            (arm.backend, arm.profile)
            for arm in plan.arms
            if _loses_limits(equipment.runtimes[arm.backend], arm.profile)
        ),
        volumes=equipment.places.state / plan.run / "volumes",
        seed=plan.seed,
        sliced=plan.sliced,
    )
    if not imaginary(plan, equipment.runtimes):
        context.caches = HostCaches()
        _watch(context, harness_cpus)
    return context


def _located(plan: Plan, rootfs: Rootfs) -> Plan:
    """The plan with the programs' real paths, where the release decides a part of them."""
    workloads = {
        name: replace(each, program=rootfs.locate(each.program))
        for name, each in plan.workloads.items()
    }
    return replace(plan, workloads=workloads)


def _loses_limits(runtime: Runtime, profile: str) -> bool:
    lost = runtime.capabilities - variations.capabilities(runtime, profile)
    return Capability.LIMITS in lost


def _watch(context: Context, harness_cpus: tuple[int, ...]) -> None:
    """Look at the real host around every trial."""
    context.cgroups = throttling.directories(context.run)
    context.watch = pressure.HostWatch(
        clock=context.clock,
        sensors=pressure.discover(harness_cpus),
        ours=lambda: frozenset(
            pid for engine in context.engines.values() for pid in engine.daemon_pids()
        ),
        own_cgroup=str(context.cgroups[0]) if context.cgroups else "",
    )


def _ground(
    stack: contextlib.ExitStack, plan: Plan, equipment: Equipment, observer: Observer
) -> tuple[Rootfs, LeasingNetwork]:
    """What boxes stand on; a dry run's where no backend starts anything."""
    if imaginary(plan, equipment.runtimes):
        return dry_run.rootfs(), dry_run.network()
    rootfs = build(recipe_for(equipment.workloads), equipment.places.cache, observer.doing)
    observer.doing("laying the wire between boxes and peer")
    bed = stack.enter_context(testbed(plan.run))
    if bed.unguarded:
        observer.note(f"on the bridge a box can take another's address: {bed.unguarded}")
    return rootfs, bed


def _engines(
    stack: contextlib.ExitStack,
    plan: Plan,
    site: Site,
    runtimes: Mapping[str, Runtime],
    *,
    observer: Observer,
) -> tuple[dict[str, Engine], Plan]:
    engines: dict[str, Engine] = {}
    for backend in selection.backends_of(plan.arms):
        observer.doing(f"preparing {backend}")
        profiles = frozenset(map(variations.boxed, selection.profiles_of(plan.arms, backend)))
        manager = runtimes[backend].prepare(_own_site(site, backend), profiles)
        try:
            engines[backend] = stack.enter_context(manager)
        except RuntimeFault as error:
            if not plan.tolerant or backend == selection.BASELINE.backend:
                raise
            message, hint, _ = describe(error)
            observer.note(f"{backend} is left out: {message}")
            plan = plan.without(backend, Skipped(backend, message, hint))
    return engines, plan


def _tell_of_disk(plan: Plan, context: Context, state: Path, observer: Observer) -> None:
    """Say which boxes may write more than was asked for."""
    loose = [
        arm.name
        for arm in plan.arms
        if disk.keeper.UNENFORCED in context.conditions(arm.backend, arm.profile)
    ]
    if loose:
        why = disk.choose(state, context.limits.disk_bytes).why
        observer.note(
            f"no limit of disk for {', '.join(loose)}: {why or 'their files are elsewhere'}"
        )


def _own_site(site: Site, name: str) -> Site:
    directory = site.state / name
    directories.closed(directory, walked=True)
    return replace(site, state=directory)


def _arm_records(
    plan: Plan, context: Context, runtimes: Mapping[str, Runtime]
) -> tuple[ArmRecord, ...]:
    of_backend = {name: _shared_facts(engine) for name, engine in context.engines.items()}
    steps = _steps(runtimes)
    return tuple(
        ArmRecord(
            backend=arm.backend,
            profile=arm.profile,
            conditions=tuple(sorted(context.conditions(arm.backend, arm.profile))),
            step=steps.get(arm),
            **of_backend[arm.backend],
        )
        for arm in plan.arms
    )


def _shared_facts(engine: Engine) -> dict[str, Any]:
    """What is the same for every arm of a backend: read once."""
    return {
        "versions": dict(engine.versions),
        "bits": dict(engine.bits()),
        "daemon_pss_bytes": footprint.pss_bytes(engine.daemon_pids()),
    }


def _steps(runtimes: Mapping[str, Runtime]) -> dict[Arm, WaterfallStep]:
    return {
        Arm(name, step.profile): WaterfallStep(position, step.mechanism, step.adds)
        for name, runtime in runtimes.items()
        for position, step in enumerate(variations.steps(runtime), 1)
    }


def _remove_state(state: Path, places: Places) -> None:
    trees.remove(state, ignore_errors=True)
    with contextlib.suppress(OSError):  # another run's state is in it
        places.state.rmdir()
