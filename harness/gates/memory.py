"""Memory that was swapped, waited for, shared behind the figures, or paged differently."""

from __future__ import annotations

from harness.gates.evidence import Evidence, graded, plain
from results.records.records import GateFinding

STALL_CAUTION = 0.01
STALL_INVALID = 0.05
"""Share of the trial in which some task waited for memory: an unloaded host shows none at all."""


def swap(evidence: Evidence) -> GateFinding | None:
    """Pages moved to or from swap during the trial."""
    pressure = evidence.pressure
    if pressure is None or pressure.swapped_bytes <= 0:
        return None
    return GateFinding(
        "swap",
        "invalid",
        f"{pressure.swapped_bytes} bytes were swapped",
        "swapoff -a",
        transient=True,
    )


def pressure(evidence: Evidence) -> GateFinding | None:
    """Tasks outside of the box stalled for memory.

    A box at its own memory limit stalls, too, and that is no disturbance but the limit: it is
    taken off where the kernel tells it apart (cgroup v2), and is only a caution where not.
    """
    around = evidence.pressure
    if around is None or around.memory_some_ratio is None:
        return None
    own = around.memory_own_ratio
    outside = around.memory_some_ratio - (own or 0.0)
    severity = graded(outside, STALL_CAUTION, STALL_INVALID)
    if severity is None:
        return None
    whose = "outside of the box" if own is not None else "on this host, perhaps in the box itself,"
    return GateFinding(
        "memory-pressure",
        severity if own is not None else "caution",
        f"tasks {whose} waited for memory during {100 * outside:.1f} % of the trial",
        "free memory, or give boxes a smaller --memory",
        transient=True,
    )


def page_merging(evidence: Evidence) -> GateFinding | None:
    """KSM shares pages between boxes behind their backs, or has shared some and still does."""
    around = evidence.pressure
    sharing = around.ksm_pages_sharing if around else 0
    more = around.ksm_pages_more if around else 0
    if not evidence.host.get("ksm") and sharing <= 0:
        return None
    grown = f", {more} more than before the trial" if more else ""
    return GateFinding(
        "ksm",
        "caution",
        f"KSM merges equal pages: {sharing} are shared{grown}; memory figures are not what "
        "they seem",
        "invoke doctor --tune, or: echo 2 > /sys/kernel/mm/ksm/run",
    )


def huge_pages(evidence: Evidence) -> GateFinding | None:
    """Inside, the kernel backs memory with huge pages by another rule than on the host."""
    inside, outside = evidence.facts.get("thp"), evidence.host.get("transparent_hugepages")
    if not inside or not outside or inside == outside:
        return None
    return GateFinding(
        "thp-differs",
        "caution",
        f"transparent huge pages: {plain(inside, 16)} in the box, {outside} on the host",
        f"boot the guest with transparent_hugepage={outside}, or set the host to "
        f"{plain(inside, 16)}",
    )
