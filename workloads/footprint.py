"""Footprint: what one idle box adds to the host.

*First* is what one box costs on an empty engine, *marginal* what each further one adds: the
difference between several and one, divided by how many more they are.  Memory is given three
ways, for none of them is the truth alone: the proportional set size of every process that
exists because of the box, the charge of its cgroup, and what the host has less available.
"""

from __future__ import annotations

from workloads.base import FootprintWork, Metric, Size, Workload
from workloads.startup import not_parsed

INSTANCES = 4
EMULATED_INSTANCES = 2
"""The fewest that show what a further one adds.  An emulated guest takes seconds to start, and of
its weight only the guest's own memory counts, which is the same in each."""
SETTLE_S = 0.5

METRICS = (
    Metric("pss_bytes_first", "B", "lower"),
    Metric("pss_bytes_marginal", "B", "lower", primary=True),
    Metric("daemon_bytes_marginal", "B", "lower"),  # what the daemons' PSS grew by, per box
    Metric("cgroup_bytes_marginal", "B", "lower"),
    Metric("available_bytes_marginal", "B", "lower"),  # fall of MemAvailable per box
    Metric("unexplained_bytes_marginal", "B", "lower"),  # that fall, less PSS and daemons
    # Of VMs: the guest's own memory, without QEMU's; and what an emulator has translated.
    Metric("guest_bytes_marginal", "B", "lower", if_emulated="at-least"),
    Metric("translation_bytes_marginal", "B", "lower"),
    Metric("disk_bytes_marginal", "B", "lower"),
    Metric("processes_marginal", "1", "lower"),
)


def _work(size: Size) -> FootprintWork:
    # Twice as many once the suite has time: noise in MemAvailable is shared by more boxes.
    instances = INSTANCES if size.iterations <= 2 else 2 * INSTANCES
    return FootprintWork(instances, EMULATED_INSTANCES, SETTLE_S)


IDLE = Workload(
    name="footprint.idle",
    resource="footprint",
    title="Footprint of an idle box",
    metrics=METRICS,
    work=_work,
    parse=not_parsed,
    program="/opt/tarebench/agent",
)
