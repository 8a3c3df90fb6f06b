"""What a box may use, what of it was read back, and what it has used."""

from __future__ import annotations

from dataclasses import dataclass

PIDS_MAX = 2048
"""A box's processes and threads at once, as podman has it by default (Docker has no limit): far
more than any workload needs, and a fork bomb leaves the host most of its numbers."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a box may use.  The same in every arm."""

    cpus: tuple[int, ...]
    """Host CPU numbers, ascending."""
    cpu_quota: float
    """CPUs' worth of time per period; at most ``len(cpus)``."""
    memory_bytes: int
    pids_max: int = PIDS_MAX
    """Processes and threads at once."""
    disk_bytes: int = 0
    """What it may write to its own root, and again to its volume; 0: as much as there is."""


@dataclass(frozen=True, slots=True)
class LimitsRead:
    """Limits as read back; ``None`` where that side cannot see one."""

    cpus: tuple[int, ...] | None
    """Host CPU numbers the box may run on."""
    cpu_quota: float | None
    """CPUs' worth of time per period; ``None`` also for unlimited."""
    memory_bytes: int | None
    pids_max: int | None = None
    disk_bytes: int | None = None
    """Of the box's own root: outside the limit, inside what was free at the beginning; 0: there is
    nothing that it could write to."""


@dataclass(frozen=True, slots=True)
class InstanceStats:
    """What exists because of one instance, seen from the host."""

    pids: tuple[int, ...]
    """Every process of the box and its helpers (QEMU, shim, docker-proxy …), harness excluded."""
    cgroup_memory_bytes: int | None
    """Current charge of the box's memory cgroup."""
    cgroup_memory_peak_bytes: int | None
    cgroup_cpu_ns: int | None
    disk_bytes: int
    """Bytes on disk that exist only because of this instance (writable layer, state files)."""
    guest_bytes: int | None = None
    """Of a VM: the PSS of its guest's own memory, which is the same whether its CPU is emulated;
    None where there is no guest, or it was not told apart."""
    translation_bytes: int = 0
    """Of a VM whose CPU is emulated: the PSS of translated code, which emulation alone adds."""
