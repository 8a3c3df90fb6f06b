"""CPU time that went to others."""

from __future__ import annotations

from harness.gates.evidence import Evidence, graded, plain
from results.records import GateFinding

STEAL_CAUTION = 0.02
"""As large as the smallest margin of the ledger: more could make a verdict by itself."""
STEAL_INVALID = 0.10
"""No claim of the ledger could be told from it."""
OTHERS_CAUTION = 0.05
"""Of all CPUs: what a desktop or a monitoring agent does; the scheduler can keep it apart."""
OTHERS_INVALID = 0.25
"""Of all CPUs: on two of them, half a CPU beside box and harness, which have one each."""


def steal(evidence: Evidence) -> GateFinding | None:
    """CPU time that a hypervisor below took away."""
    pressure = evidence.pressure
    if pressure is None:
        return None
    severity = graded(pressure.steal_ratio, STEAL_CAUTION, STEAL_INVALID)
    if severity is None:
        return None
    return GateFinding(
        "steal",
        severity,
        f"{100 * pressure.steal_ratio:.1f} % of CPU time was stolen by the hypervisor",
        "use a dedicated or bare-metal host",
        transient=True,
    )


def other_load(evidence: Evidence) -> GateFinding | None:
    """Processes that are neither box nor harness used CPUs."""
    pressure = evidence.pressure
    if pressure is None or pressure.other_cpus is None:
        return None
    severity = graded(pressure.other_cpus / evidence.online, OTHERS_CAUTION, OTHERS_INVALID)
    if severity is None:
        return None
    names = ", ".join(plain(name, 16) for name in pressure.others)
    return GateFinding(
        "busy-host",
        severity,
        f"other processes used {pressure.other_cpus:.2f} of {evidence.online} CPUs"
        + (f": {names}" if names else ""),
        "stop other work on this host while it measures",
        transient=True,
    )
