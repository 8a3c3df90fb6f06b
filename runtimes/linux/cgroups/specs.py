"""What a box's cgroup is to be made of, and what it has accounted: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class IoLimit:
    """Limits of one block device; ``None`` leaves one alone."""

    major: int
    minor: int
    read_bytes_per_s: int | None = None
    write_bytes_per_s: int | None = None
    read_operations_per_s: int | None = None
    write_operations_per_s: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """Devices that may be used; everything that no rule names may not."""

    kind: str
    """``c``, ``b``, or ``a`` for both."""
    major: int | None
    """``None``: any."""
    minor: int | None
    access: str = "rwm"
    """Of read, write and mknod."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits to set; ``None`` leaves one alone."""

    cpus: tuple[int, ...]
    cpu_quota: float | None = None
    memory_bytes: int | None = None
    memory_high_bytes: int | None = None
    """Above it the kernel reclaims (v2 ``memory.high``; v1 has a soft limit, which is weaker)."""
    swap_bytes: int = 0
    """Beside ``memory_bytes``, where that is set."""
    cpu_weight: int | None = None
    """1–10,000; 100 is everybody's."""
    pids_max: int | None = None
    io: tuple[IoLimit, ...] = ()
    io_weight: int | None = None
    """1–10,000; 100 is everybody's."""
    devices: tuple[DeviceRule, ...] | None = None
    controllers: frozenset[str] | None = None
    """v1 controllers to make, and whose limits to set on v2; ``None``: what the limits need."""
    cpu_period_us: int = 100_000
    """Over which the quota is counted."""
    memory_nodes: tuple[int, ...] = ()
    """That memory may come from; empty: all."""


@dataclass(frozen=True, slots=True)
class Write:
    """One value for one cgroup file."""

    path: Path
    value: str


_SWAP_FILES = frozenset({"memory.memsw.limit_in_bytes", "memory.swap.max"})


@dataclass(frozen=True, slots=True)
class Creation:
    """What makes one box's cgroups, in order: for Python or for the launcher to carry out."""

    directories: tuple[Path, ...]
    writes: tuple[Write, ...]
    joins: tuple[Path, ...]
    """Files to which a single-threaded process writes ``0`` to go inside (v1)."""
    born_in: Path | None
    """Directory for CLONE_INTO_CGROUP (v2)."""
    device_program: bytes = b""
    """eBPF to attach to ``born_in`` (v2); v1 has files for it."""
    affinity: tuple[int, ...] = ()
    """CPUs to run on where no CPU set can be made; none where one is."""

    @property
    def limits_swap(self) -> bool:
        """Whether memory plus swap is limited too: not every kernel accounts for swap."""
        return any(one.path.name in _SWAP_FILES for one in self.writes)


@dataclass(frozen=True, slots=True)
class Account:
    """What one box has used so far; ``None`` where the kernel does not tell."""

    cpu_ns: int | None
    cpu_user_ns: int | None
    cpu_system_ns: int | None
    throttled_ns: int | None
    memory_bytes: int | None
    memory_peak_bytes: int | None
    swap_bytes: int | None
    oom_kills: int
    pids: int | None
    io_read_bytes: int | None
    io_write_bytes: int | None
    stalled_ns: Mapping[str, int]
    """Resource → time in which some process waited for it (PSI; v2 only)."""
