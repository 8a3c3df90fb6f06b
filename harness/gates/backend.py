"""What a backend says of its own boxes: emulated, nested, not real at all.

It does not assume: the kvm backend boots a probe before the run, and asks QEMU's monitor in every
instance whether KVM is on (``query-kvm``); an answer that differs from the probe's fails the trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.gates.evidence import Evidence, Severity
from results.records.records import EMULATED, GateFinding


@dataclass(frozen=True, slots=True)
class Condition:
    """What a backend's own condition means for its samples."""

    severity: Severity
    reason: str
    remedy: str


UNLIMITED = "unlimited"
"""Gate code of an arm whose boxes lack limits on purpose."""
UNENFORCED = "unenforced"
"""Gate code of a run whose user may make no cgroup."""

CONDITIONS: Mapping[str, Condition] = {
    EMULATED: Condition(
        "invalid",
        "the VM's CPU is emulated in software (TCG), not virtualised",
        "run on a host whose /dev/kvm boots a guest",
    ),
    "simulated": Condition(
        "invalid",
        "nothing ran: the figures are made up",
        "choose a real backend; this one shows the tool",
    ),
    UNLIMITED: Condition(
        "caution",
        "the profile is built without the cgroup controllers that would enforce every limit",
        "compare it with its neighbours in the waterfall, not with boxes that are limited",
    ),
    "rootless": Condition(
        "caution",
        "a plain user's run: all boxes, native ones too, are in a user namespace of that user's",
        "compare it with runs of the same kind; run as root for what a root's engine costs",
    ),
    UNENFORCED: Condition(
        "caution",
        "the user has not every cgroup controller: CPUs are kept by affinity, and what was not "
        "delegated is not limited, in every arm",
        "run as root for limits, or have them delegated",
    ),
    "disk-unenforced": Condition(
        "caution",
        "nothing here keeps the limit of disk: the box may write as much as there is",
        "run as root, with TAREBENCH_STATE on a file system with project quotas, or loop devices",
    ),
    "unflushed": Condition(
        "caution",
        "the box's root never syncs: a write to it that is called flushed may be in memory only",
        "judge writes to the box's own root in another profile",
    ),
    "nested": Condition(
        "caution",
        "the VM runs inside another VM",
        "run on bare metal to judge VMs there",
    ),
    "software-kvm": Condition(
        "caution",
        "KVM works here without hardware support",
        "run on a host with VT-x, AMD-V or EL2",
    ),
}


def never_valid(codes: frozenset[str]) -> bool:
    """Whether a backend's own conditions keep every sample of an arm from counting."""
    return any(CONDITIONS[code].severity == "invalid" for code in codes if code in CONDITIONS)


def conditions(evidence: Evidence) -> list[GateFinding]:
    """Conditions that the backend itself declared for this arm; one that we do not know, too."""
    found = []
    for code in sorted(evidence.conditions):
        known = CONDITIONS.get(code) or Condition("caution", f"the backend says: {code}", "")
        found.append(GateFinding(code, known.severity, known.reason, known.remedy))
    return found
