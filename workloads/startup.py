"""Start-up: from the request for a box to its first useful answer, and to its end.

All instants are the host's; the harness takes them and derives the durations named here.
"""

from __future__ import annotations

from workloads import web
from workloads.base import Measurement, Metric, Output, Size, StartupWork, Workload, WorkloadFault

AGENT = "/opt/tarebench/agent"
"""Main process of every box; see runtimes.conventions.AGENT_PATH."""

TIMEOUT_S = 120.0
"""Until the first answer; a guest under emulation takes some ten seconds."""

GUEST_KERNEL = Metric("guest_kernel_ns", "ns", "lower")
"""By the box's own clock, where it is on a kernel of its own: that kernel's start to its first
process.  A duration; never set against the host's instants."""

METRICS = (
    Metric("created_ns", "ns", "lower"),  # request → the engine says that the box exists
    Metric("first_byte_ns", "ns", "lower"),  # request → first byte from the box's main process
    Metric("first_http_200_ns", "ns", "lower", primary=True),  # request → HTTP 200 is read
    Metric("stopped_ns", "ns", "lower"),  # stop asked for → every process of the box is gone
    Metric("removed_ns", "ns", "lower"),  # removal asked for → nothing of the box is left
    Metric("total_ns", "ns", "lower"),  # request → nothing of the box is left
    GUEST_KERNEL,
)


def not_parsed(output: Output) -> tuple[Measurement, ...]:
    """Refuse: this kind of work has no output, the harness measures it from outside.

    Raises:
        WorkloadFault: always.
    """
    raise WorkloadFault(f"work without output was given {len(output.stdout)} bytes to parse")


def _work(_size: Size) -> StartupWork:
    return StartupWork(service=web.SERVER, path=web.PATH, timeout_s=TIMEOUT_S)


def _idle(_size: Size) -> StartupWork:
    return StartupWork(service=None, path="", timeout_s=TIMEOUT_S)


STARTUP_IDLE = Workload(
    name="startup.idle",
    resource="startup",
    title="Start and end of an idle box",
    metrics=(
        Metric("created_ns", "ns", "lower"),
        Metric("first_byte_ns", "ns", "lower", primary=True),
        Metric("stopped_ns", "ns", "lower"),
        Metric("removed_ns", "ns", "lower"),
        Metric("ended_ns", "ns", "lower"),  # stop asked for → nothing of the box is left
        GUEST_KERNEL,
    ),
    work=_idle,
    parse=not_parsed,
    program=AGENT,
)
"""The box alone: no network is needed, and no server's own start counts."""

STARTUP_HTTP = Workload(
    name="startup.http",
    resource="startup",
    title="Start-up to the first HTTP answer (nginx)",
    metrics=METRICS,
    work=_work,
    parse=not_parsed,
    program=web.NGINX,
    packages=web.PACKAGES,
    files=web.FILES,
    needs_network=True,
)
