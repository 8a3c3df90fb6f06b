"""Gates: typed checks that say what must not be believed, with reason and remedy.

Each gate looks at what is known of one trial and returns a finding or nothing.  ``invalid``
keeps the trial's samples out of every verdict; ``caution`` stands beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from results.records import GateFinding, Pressure
from runtimes.base import Limits, LimitsRead

QUOTA_TOLERANCE = 0.02
GUEST_MEMORY_SHARE = 0.80
"""A guest's kernel keeps some of its memory for itself: MemTotal is at least this share."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a trial when its gates are asked."""

    planned: Limits
    outside: LimitsRead
    inside: LimitsRead
    conditions: frozenset[str]
    expected_program: str
    """sha256 of the program in the root filesystem."""
    program: str
    """sha256 of the program that ran, computed inside the box."""
    expected_rootfs: str
    rootfs: str
    pressure: Pressure | None
    facts: Mapping[str, str]
    """The agent's facts from inside."""
    host: Mapping[str, object]


Gate = Callable[[Evidence], GateFinding | None]
Severity = Literal["invalid", "caution"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a backend's own condition means for its samples."""

    severity: Severity
    reason: str
    remedy: str


CONDITIONS: Mapping[str, Condition] = {
    "emulated": Condition(
        "invalid",
        "the VM's CPU is emulated in software (TCG), not virtualised",
        "run on a host whose /dev/kvm boots a guest",
    ),
    "simulated": Condition(
        "invalid",
        "nothing ran: the figures are made up",
        "choose a real backend; this one shows the tool",
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


def hopeless(conditions: frozenset[str]) -> bool:
    """Whether a backend's own conditions keep every sample of an arm from counting."""
    return any(CONDITIONS[code].severity == "invalid" for code in conditions if code in CONDITIONS)


def emulation(evidence: Evidence) -> list[GateFinding]:
    """Conditions that the backend itself declared for this arm."""
    found = []
    for code in sorted(evidence.conditions):
        known = CONDITIONS.get(code) or Condition("caution", f"the backend says: {code}", "")
        found.append(GateFinding(code, known.severity, known.reason, known.remedy))
    return found


def limits_enforced(evidence: Evidence) -> GateFinding | None:
    """Planned limits against those read back, outside and inside."""
    planned, wrong = evidence.planned, []
    for where, seen in (("outside", evidence.outside), ("inside", evidence.inside)):
        if seen.cpus is not None and not _same_cpus(where, seen.cpus, planned.cpus):
            wrong.append(f"CPUs {where}: {seen.cpus}, planned {planned.cpus}")
        if seen.cpu_quota is not None and not math.isclose(
            seen.cpu_quota, planned.cpu_quota, rel_tol=QUOTA_TOLERANCE
        ):
            wrong.append(f"CPU quota {where}: {seen.cpu_quota:g}, planned {planned.cpu_quota:g}")
        if seen.memory_bytes is not None and not _memory_fits(seen.memory_bytes, planned):
            wrong.append(f"memory {where}: {seen.memory_bytes}, planned {planned.memory_bytes}")
    outside = evidence.outside
    if outside.cpus is None:
        wrong.append("the CPU set could not be read back")
    if outside.cpu_quota is None:
        wrong.append("the CPU quota could not be read back")
    if outside.memory_bytes is None:
        wrong.append("the memory limit could not be read back")
    if not wrong:
        return None
    return GateFinding(
        "limits",
        "invalid",
        "limits are not enforced as planned: " + "; ".join(wrong),
        "see invoke doctor for the cgroup controllers of this host",
    )


def _same_cpus(where: str, seen: tuple[int, ...], planned: tuple[int, ...]) -> bool:
    # A guest numbers its own CPUs from 0: from inside only their count says something.
    return seen == planned or (where == "inside" and len(seen) == len(planned))


def _memory_fits(seen: int, planned: Limits) -> bool:
    return GUEST_MEMORY_SHARE * planned.memory_bytes <= seen <= planned.memory_bytes


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
            f"the box runs root filesystem {evidence.rootfs[:19] or 'unknown'}, "
            f"planned was {evidence.expected_rootfs[:19]}",
            "remove this backend's cached image: invoke clean --cache",
        )
    return None


def steal(evidence: Evidence) -> GateFinding | None:
    """CPU time that a hypervisor below took away."""
    pressure = evidence.pressure
    if pressure is None or pressure.steal_ratio <= 0.02:
        return None
    return GateFinding(
        "steal",
        "invalid" if pressure.steal_ratio > 0.10 else "caution",
        f"{pressure.steal_ratio:.1%} of CPU time was stolen by the hypervisor",
        "use a dedicated or bare-metal host",
    )


def swap(evidence: Evidence) -> GateFinding | None:
    """Pages moved to or from swap during the trial."""
    pressure = evidence.pressure
    if pressure is None or pressure.swapped_bytes <= 0:
        return None
    return GateFinding(
        "swap", "invalid", f"{pressure.swapped_bytes} bytes were swapped", "swapoff -a"
    )


def memory_pressure(evidence: Evidence) -> GateFinding | None:
    """Tasks of the host stalled for memory."""
    pressure = evidence.pressure
    if pressure is None or (pressure.memory_some_ratio or 0.0) <= 0.05:
        return None
    return GateFinding(
        "memory-pressure",
        "invalid",
        f"tasks waited for memory during {pressure.memory_some_ratio:.1%} of the trial",
        "free memory, or give boxes a smaller --memory",
    )


def other_load(evidence: Evidence) -> GateFinding | None:
    """Much more runnable work than the trial itself brings."""
    pressure, online = evidence.pressure, _online(evidence.host)
    if pressure is None or pressure.load_1m <= online + 1:
        return None
    return GateFinding(
        "busy-host",
        "caution",
        f"load average {pressure.load_1m:.1f} on {online} CPUs: something else is running",
        "stop other work on this host while it measures",
    )


def clock_source(evidence: Evidence) -> GateFinding | None:
    """A clock that the kernel itself does not trust, or that is slow to read."""
    name = str(evidence.host.get("clock_source", ""))
    if name in {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", ""}:
        return None
    return GateFinding(
        "clock-source",
        "caution",
        f"clock source is {name}: reading it costs a trap or a bus access",
        "boot with tsc=reliable if the CPU's TSC is invariant",
    )


def same_page_merging(evidence: Evidence) -> GateFinding | None:
    """KSM shares pages between boxes behind their backs."""
    if not evidence.host.get("ksm"):
        return None
    return GateFinding(
        "ksm",
        "caution",
        "KSM merges equal pages: memory figures are not what they seem",
        "echo 0 > /sys/kernel/mm/ksm/run",
    )


GATES: Sequence[Gate] = (
    limits_enforced,
    same_bits,
    steal,
    swap,
    memory_pressure,
    other_load,
    clock_source,
    same_page_merging,
)


def judge(evidence: Evidence) -> tuple[GateFinding, ...]:
    """Findings of every gate, the worst first."""
    found = emulation(evidence)
    found += [finding for gate in GATES if (finding := gate(evidence)) is not None]
    return tuple(sorted(found, key=lambda finding: finding.severity != "invalid"))


def _online(host: Mapping[str, object]) -> int:
    cpu = host.get("cpu")
    return int(cpu.get("online", 1)) if isinstance(cpu, Mapping) else 1
