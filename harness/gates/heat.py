"""A processor that slowed itself down because it was hot."""

from __future__ import annotations

from harness.gates.evidence import Evidence
from results.records.records import GateFinding

REMEDY = "improve cooling, fix the frequency: invoke doctor --tune"


def throttled(evidence: Evidence) -> GateFinding | None:
    """Processors counted that they throttled themselves."""
    around = evidence.pressure
    if around is None or not around.throttle_events:
        return None
    return GateFinding(
        "throttled",
        "invalid",
        f"processors throttled themselves {around.throttle_events} times during the trial",
        REMEDY,
        transient=True,
    )


def hot(evidence: Evidence) -> GateFinding | None:
    """A sensor stood where the kernel or the processor acts."""
    around = evidence.pressure
    if around is None or not around.hot:
        return None
    return GateFinding(
        "hot",
        "invalid",
        f"too hot at the end of the trial: {', '.join(around.hot[:4])}",
        REMEDY,
        transient=True,
    )
