"""Clocks: the host's must be trusted and stay the same, a box's must keep pace with it."""

from __future__ import annotations

from harness.gates.evidence import Evidence
from results.records.records import GateFinding

QUICK_SOURCES = frozenset(
    {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", ""}
)
FAST_TOLERANCE = 0.005
"""A box's span lies inside the host's: it cannot be longer, but for what both clocks may drift
apart within NTP's own bound of 500 ppm each, taken five times."""
FAST_SLACK_NS = 1_000_000
SLOW_TOLERANCE = 0.05
SLOW_SLACK_NS = 100_000_000
"""The host's span also holds the way to the box and back, and the start of the program."""


def slow_source(evidence: Evidence) -> GateFinding | None:
    """A clock that the kernel itself does not trust, or that is slow to read."""
    name = str(evidence.host.get("clock_source", ""))
    if name in QUICK_SOURCES:
        return None
    return GateFinding(
        "clock-source",
        "caution",
        f"clock source is {name}: reading it costs a trap or a bus access",
        "boot with tsc=reliable if the CPU's TSC is invariant",
    )


def changed_source(evidence: Evidence) -> GateFinding | None:
    """The kernel gave up its clock source since the run began."""
    around, first = evidence.pressure, str(evidence.host.get("clock_source", ""))
    if around is None or not around.clock_source or not first or around.clock_source == first:
        return None
    return GateFinding(
        "clock-changed",
        "invalid",
        f"the clock source changed from {first} to {around.clock_source} since the run began",
        "dmesg says why; a TSC marked unstable on sound hardware: boot with tsc=reliable",
    )


def box_clock(evidence: Evidence) -> GateFinding | None:
    """Durations by the box's clock against the host's span around each."""
    fast = [
        (inside, outside)
        for inside, outside in evidence.durations
        if inside > round(outside * (1 + FAST_TOLERANCE)) + FAST_SLACK_NS
    ]
    if fast:
        inside, outside = max(fast, key=lambda pair: pair[0] - pair[1])
        return GateFinding(
            "guest-clock",
            "invalid",
            f"{inside / 1e9:.3f} s by the box's clock happened within {outside / 1e9:.3f} s",
            "give the guest a paravirtual clock; results timed inside it mean nothing",
        )
    slow = [
        (inside, outside)
        for inside, outside in evidence.durations
        if inside < round(outside * (1 - SLOW_TOLERANCE)) - SLOW_SLACK_NS
    ]
    if not slow:
        return None
    inside, outside = max(slow, key=lambda pair: pair[1] - pair[0])
    return GateFinding(
        "guest-clock",
        "caution",
        f"{outside / 1e9:.3f} s on the host were {inside / 1e9:.3f} s by the box's clock: it "
        "runs slow, stood still, or the box was long in answering",
        "look at the box's load; in a guest, at its clock source",
    )
