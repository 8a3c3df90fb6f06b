"""Applications, cut to a moment, run as a trial runs them, in any engine's box."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.clock import HostClock
from harness.host.facts import facts
from harness.plan.limits import allot
from harness.trial.box import inspect, started
from harness.trial.context import Context, LeasingNetwork
from harness.trial.work import Reading, perform
from runtimes.base import DEFAULT_PROFILE, Engine, Site
from runtimes.native import peer_agent
from workloads.base import CommandWork, Service, Size, Workload


def given(
    workload: Workload, *, also: Sequence[Service] = (), words: Mapping[str, str] | None = None
) -> Workload:
    """``workload`` with one iteration, more services, and words of theirs changed.

    Args:
        workload: as registered.
        also: services after its own.
        words: in its services' argv, what to replace by what.
    """
    plain = workload.work(Size(1, 1))
    assert isinstance(plain, CommandWork)
    changed = words or {}
    services = [
        dataclasses.replace(each, argv=tuple(changed.get(word, word) for word in each.argv))
        for each in plain.services
    ]
    work = dataclasses.replace(plain, iterations=1, warm_ups=0, services=(*services, *also))
    return dataclasses.replace(workload, work=lambda _: work)


def context_of(site: Site, engines: Mapping[str, Engine], network: LeasingNetwork) -> Context:
    """What a trial needs of a run with these engines; volumes are below the site's state."""
    allotment = allot(None, None, None)
    (site.state / "peer").mkdir(exist_ok=True)
    peer_site = dataclasses.replace(site, state=site.state / "peer")
    host = facts()
    return Context(
        run=site.run,
        run_id="applications",
        clock=HostClock(),
        engines=engines,
        workloads={},
        network=network,
        limits=site.limits,
        size=Size(1, 1),
        bits=site.rootfs,
        host=host,
        host_memory_bytes=host["memory_bytes"],
        peer=lambda: peer_agent(peer_site, allotment.harness_cpus),
        volumes=site.state / "volumes",
    )


def run(
    context: Context, backend: str, workload: Workload, profile: str = DEFAULT_PROFILE
) -> list[Reading]:
    """One trial's readings; its program has the digest that was built, its volume is gone."""
    program = context.bits.locate(workload.program)  # type: ignore[attr-defined]  # Rootfs's
    located = dataclasses.replace(workload, program=program)
    with started(context, backend, profile, volume=workload.needs_volume) as box:
        inspect(context, box, located.program)
        assert box.program_digest == context.bits.program_digest(located.program)
        readings = perform(context, located, box)
    assert context.volumes is None or not list(Path(context.volumes).glob("*"))
    return readings
