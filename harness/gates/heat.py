"""A processor that did not run at the speed at which it ran before."""

from __future__ import annotations

from harness.gates.evidence import Evidence, graded
from results.records import GateFinding

DRIFT_CAUTION = 0.05
"""Repeated on an idle virtual machine, the fastest of a spin's tries varies by 3 %."""
DRIFT_INVALID = 0.15
"""More than leaving turbo costs the processors of most servers."""
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


def drift(evidence: Evidence) -> GateFinding | None:
    """The clock is not what it was: by cpufreq where it is visible, else by the spin."""
    around = evidence.pressure
    if around is None:
        return None
    found = []
    if around.spin_ns is not None and around.spin_reference_ns:
        slower = max(around.spin_ns) / around.spin_reference_ns - 1
        found.append(
            (slower, f"fixed work took {100 * slower:.0f} % longer than at this run's best")
        )
    if around.frequency_khz is not None and min(around.frequency_khz) > 0:
        change = max(around.frequency_khz) / min(around.frequency_khz) - 1
        before, after = (each / 1e6 for each in around.frequency_khz)
        found.append((change, f"the CPU's clock went from {before:.2f} to {after:.2f} GHz"))
    worst, why = max(found, default=(0.0, ""))
    severity = graded(worst, DRIFT_CAUTION, DRIFT_INVALID)
    if severity is None:
        return None
    return GateFinding("frequency-drift", severity, why, REMEDY, transient=True)
