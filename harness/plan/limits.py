"""Limits of a run: parsed from the command line, split between box and harness."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from harness.errors import UsageFault
from harness.host.tuning.isolation import usable_cpus
from runtimes.linux.cpu_list import format_cpus, parse_cpus
from runtimes.linux.disk.keeper import LARGEST as LARGEST_DISK
from runtimes.linux.disk.keeper import SMALLEST as SMALLEST_DISK
from runtimes.resources import Limits

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SMALLEST_MEMORY = 128 << 20
DEFAULT_MEMORY = "512M"
DEFAULT_DISK_BYTES = 4 << 30
"""Where the file system has project quotas, so that the limit costs nothing."""


@dataclass(frozen=True, slots=True)
class Allotment:
    """Which CPUs the box has, and which the harness and the peer."""

    box: Limits
    harness_cpus: tuple[int, ...]
    shared: bool
    """The harness has no CPU of its own: it and the box disturb each other."""


def parse_memory(text: str) -> int:
    """``512M`` → bytes.

    Raises:
        UsageFault: not a size, or too small for a guest to boot.
    """
    size = _parse_size("--memory", text)
    if size < _SMALLEST_MEMORY:
        raise UsageFault(
            f"--memory {text} is less than a guest needs to boot",
            hint=f"at least {_SMALLEST_MEMORY >> 20}M",
        )
    return size


def parse_disk(text: str | None, default: int) -> int:
    """``10G`` → bytes; ``None`` → ``default``.

    Raises:
        UsageFault: not a size, or none that a file system can have.
    """
    if text is None:
        return default
    size = _parse_size("--disk", text)
    if not SMALLEST_DISK <= size <= LARGEST_DISK:
        raise UsageFault(
            f"--disk {text} is not what a file system can be limited to",
            hint=f"from {SMALLEST_DISK >> 20}M to {LARGEST_DISK >> 40}T",
        )
    return size


def _parse_size(option: str, text: str) -> int:
    match = re.fullmatch(r"(\d{1,15})\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE | re.ASCII)
    if match is None:
        raise UsageFault(f"{option} {text!r} is not a size", hint="write it as 512M or 2G")
    return int(match[1]) * _UNITS[match[2].upper()]


def parse_cpuset(text: str) -> tuple[int, ...]:
    """``0-2,5`` → ``(0, 1, 2, 5)``: at least one CPU.

    Raises:
        UsageFault: not a CPU list, or an empty one.
    """
    try:
        cpus = parse_cpus(text)
    except ValueError as error:
        why = f": {error}"
    else:
        if cpus:
            return cpus
        why = ""
    raise UsageFault(f"{text!r} is not a list of CPUs{why}", hint="write it as 2-3,5")


def allot(
    cpus: str | None,
    cpuset: str | None,
    memory: str | None,
    *,
    disk_bytes: int = 0,
    allowed: frozenset[int] | None = None,
) -> Allotment:
    """Divide the host: the highest CPUs for the box, the others for harness and peer.

    Args:
        cpus: CPUs' worth of time for the box, e.g. ``1`` or ``1.5``; default half of the host's,
            at most 4.
        cpuset: the box's CPUs by number; default the highest ones.
        memory: memory limit; default ``512M``.
        disk_bytes: what the box may write to its root and to its volume; 0: no limit.
        allowed: CPUs for harness and box; default this process's, and those kept for boxes.

    Raises:
        UsageFault: more than the host has, or nonsense.
    """
    available = sorted(usable_cpus() if allowed is None else allowed)
    chosen = parse_cpuset(cpuset) if cpuset else None
    quota = _quota(cpus, chosen, available)
    if chosen is None:
        chosen = tuple(available[-math.ceil(quota) :])
    missing = sorted(set(chosen) - set(available))
    if missing:
        raise UsageFault(
            f"CPU {missing[0]} is not one of this process's CPUs",
            hint=f"available: {format_cpus(available)}",
        )
    if quota > len(chosen):
        raise UsageFault(f"{quota:g} CPUs of time do not fit on {len(chosen)} CPUs")
    rest = tuple(cpu for cpu in available if cpu not in chosen)
    memory_bytes = parse_memory(memory or DEFAULT_MEMORY)
    limits = Limits(chosen, quota, memory_bytes, disk_bytes=disk_bytes)
    return Allotment(limits, rest or tuple(available), shared=not rest)


def _quota(cpus: str | None, chosen: tuple[int, ...] | None, available: list[int]) -> float:
    if cpus is None:
        return float(len(chosen)) if chosen else float(min(4, max(1, len(available) // 2)))
    try:
        quota = float(cpus)
    except ValueError:
        quota = math.nan
    if not 0.01 <= quota <= len(available):  # the kernel's smallest quota is 1 ms of 100 ms
        raise UsageFault(
            f"--cpus {cpus} is not an amount of CPU that this host has",
            hint=f"between 0.01 and {len(available)}; choose CPUs by number with --cpuset",
        )
    return quota
