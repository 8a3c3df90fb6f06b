"""The same bits and the same protections in every arm."""

from __future__ import annotations

from collections.abc import Mapping

from harness.gates.evidence import Evidence, plain
from results.records.records import GateFinding

MITIGATION = "mitigation."
"""Prefix of the agent's facts on /sys/devices/system/cpu/vulnerabilities."""
SHOWN = 4


def same_bits(evidence: Evidence) -> GateFinding | None:
    """The program and the root filesystem that ran are the ones that were built."""
    if evidence.program != evidence.expected_program:
        return GateFinding(
            "program-digest",
            "invalid",
            f"the program that ran has digest {evidence.program[:12]}, "
            f"the root filesystem's has {evidence.expected_program[:12]}",
            "remove this backend's cached image: invoke clean --cache",
        )
    if evidence.rootfs != evidence.expected_rootfs:
        return GateFinding(
            "rootfs-digest",
            "invalid",
            f"the box runs root filesystem {plain(evidence.rootfs, 19) or 'unknown'}, "
            f"planned was {evidence.expected_rootfs[:19]}",
            "remove this backend's cached image: invoke clean --cache",
        )
    return None


def mitigations(evidence: Evidence) -> GateFinding | None:
    """A guest's kernel protects itself in other ways than the host's: that has a price, too."""
    host = evidence.host.get("mitigations")
    if not isinstance(host, Mapping):
        return None
    inside = {
        key.removeprefix(MITIGATION): value
        for key, value in evidence.facts.items()
        if key.startswith(MITIGATION)
    }
    # One side alone says nothing: kernels differ in which vulnerabilities they know.
    differing = [name for name in sorted(inside) if name in host and inside[name] != host[name]]
    if not differing:
        return None
    shown = [
        f"{plain(name, 32)} (host: {host[name]}; box: {plain(inside[name])})"
        for name in differing[:SHOWN]
    ]
    more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return GateFinding(
        "mitigations-differ",
        "caution",
        f"box and host are protected differently: {', '.join(shown)}{more}",
        "give host and guest the same mitigations= on their kernel command lines, and in a "
        "VM the host's CPU model",
    )
