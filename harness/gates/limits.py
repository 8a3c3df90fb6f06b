"""The box's limits: as planned, as read back, and whether they alone held it back."""

from __future__ import annotations

import dataclasses
import math

from harness.gates.backend import UNENFORCED, UNLIMITED
from harness.gates.evidence import Evidence
from results.records.records import GateFinding
from runtimes.linux.disk.keeper import UNENFORCED as DISK_UNENFORCED
from runtimes.resources import Limits, LimitsRead

QUOTA_TOLERANCE = 0.02
"""A quota is whole microseconds of a period, and what is read back is rounded likewise."""
GUEST_MEMORY_SHARE = 0.80
"""A guest's kernel keeps some of its memory for itself: MemTotal is at least this share."""
DISK_TOLERANCE = 0.02
DISK_SLACK_BYTES = 4 << 20
"""A file system's own tables and journal are estimated before it is made."""
HELD_BACK_CAUTION = 0.01
"""Where the quota is all of the box's CPUs it should never bind, but the kernel hands it out in
slices of 5 ms per CPU: a hundredth of the time is its rounding."""


def limits_enforced(evidence: Evidence) -> GateFinding | None:
    """Planned limits against those read back, outside and inside.

    Of an arm that lacks limits on purpose those count that it has.  Where no cgroup may be made
    the CPU set has to be kept all the same, and a quota of less than that was refused beforehand.
    """
    planned, wrong = evidence.planned, []
    outside, inside = _to_be_judged(evidence)
    for where, seen in (("outside", outside), ("inside", inside)):
        if seen.cpus is not None and not _same_cpus(where, seen.cpus, planned.cpus):
            wrong.append(f"CPUs {where}: {seen.cpus}, planned {planned.cpus}")
        if seen.cpu_quota is not None and not math.isclose(
            seen.cpu_quota, planned.cpu_quota, rel_tol=QUOTA_TOLERANCE
        ):
            wrong.append(f"CPU quota {where}: {seen.cpu_quota:g}, planned {planned.cpu_quota:g}")
        if seen.memory_bytes is not None and not _memory_fits(seen.memory_bytes, planned):
            wrong.append(f"memory {where}: {seen.memory_bytes}, planned {planned.memory_bytes}")
        if seen.pids_max is not None and seen.pids_max != planned.pids_max:
            wrong.append(f"processes {where}: {seen.pids_max}, planned {planned.pids_max}")
    wrong += _wrong_disk(evidence)
    wrong += [
        f"{what} could not be read back"
        for what, read in (
            ("the CPU set", outside.cpus),
            ("the CPU quota", outside.cpu_quota),
            ("the memory limit", outside.memory_bytes),
            ("the limit of processes", outside.pids_max),
        )
        if read is None
    ]
    if not wrong:
        return None
    return GateFinding(
        "limits",
        "invalid",
        "limits are not enforced as planned: " + "; ".join(wrong),
        "see invoke doctor for the cgroup controllers of this host",
    )


def _wrong_disk(evidence: Evidence) -> list[str]:
    """The limit of disk: outside as set, inside what was free when the box began.

    0 outside is a box that has nothing to write to.
    """
    planned, outside, inside = evidence.planned, evidence.outside, evidence.inside
    if not planned.disk_bytes or DISK_UNENFORCED in evidence.conditions:
        return []
    if outside.disk_bytes is None:
        return ["the limit of disk could not be read back"]
    if not outside.disk_bytes:
        return []
    return [
        f"disk {where}: {seen}, planned {planned.disk_bytes}"
        for where, seen in (("outside", outside.disk_bytes), ("inside", inside.disk_bytes))
        if seen is not None and not _disk_fits(seen, planned.disk_bytes)
    ]


def _disk_fits(seen: int, planned: int) -> bool:
    return abs(seen - planned) <= DISK_TOLERANCE * planned + DISK_SLACK_BYTES


def _to_be_judged(evidence: Evidence) -> tuple[LimitsRead, LimitsRead]:
    outside, inside = evidence.outside, evidence.inside
    if not evidence.conditions & {UNLIMITED, UNENFORCED}:
        return outside, inside
    made, seen = _as_far_as_made(outside, inside, evidence.planned)
    if UNENFORCED in evidence.conditions:
        made = dataclasses.replace(made, cpus=outside.cpus)
    return made, seen


def _as_far_as_made(
    outside: LimitsRead, inside: LimitsRead, planned: Limits
) -> tuple[LimitsRead, LimitsRead]:
    """What was read back, with what nobody limited taken to be as planned."""
    cpus, quota, memory = outside.cpus, outside.cpu_quota, outside.memory_bytes
    return (
        LimitsRead(
            planned.cpus if cpus is None else cpus,
            planned.cpu_quota if quota is None else quota,
            planned.memory_bytes if memory is None else memory,
            planned.pids_max if outside.pids_max is None else outside.pids_max,
        ),
        LimitsRead(
            None if cpus is None else inside.cpus,
            None if quota is None else inside.cpu_quota,
            None if memory is None else inside.memory_bytes,
        ),
    )


def _same_cpus(where: str, seen: tuple[int, ...], planned: tuple[int, ...]) -> bool:
    # A guest numbers its own CPUs from 0: from inside only their count says something.
    return seen == planned or (where == "inside" and len(seen) == len(planned))


def _memory_fits(seen: int, planned: Limits) -> bool:
    return GUEST_MEMORY_SHARE * planned.memory_bytes <= seen <= planned.memory_bytes


def quota_held_back(evidence: Evidence) -> GateFinding | None:
    """The quota stopped a box that had no more CPUs than it: an artefact, not a limit."""
    pressure, planned = evidence.pressure, evidence.planned
    if pressure is None or not pressure.box_throttled_ns or planned.cpu_quota < len(planned.cpus):
        return None
    ratio = pressure.box_throttled_ns / (pressure.seconds * 1e9)
    if ratio <= HELD_BACK_CAUTION:
        return None
    return GateFinding(
        "box-throttled",
        "caution",
        (
            f"the CPU quota stopped the box for {100 * ratio:.1f} % of the trial, though it is all "
            "of its CPUs"
        ),
        "a kernel later than 5.4 hands out quota without this loss",
    )


def shared_cpus(evidence: Evidence) -> GateFinding | None:
    """The harness runs where the box runs."""
    shared = sorted(evidence.harness_cpus & set(evidence.planned.cpus))
    if not shared:
        return None
    return GateFinding(
        "shared-cpus",
        "caution",
        f"harness and box share CPU {', '.join(map(str, shared))}: they disturb each other",
        "leave the harness a CPU of its own: --cpuset with one CPU less",
    )
