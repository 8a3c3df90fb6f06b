"""How long CPU quotas held the boxes of a run back, as the kernel counts it per cgroup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.host.pressure.counters import read_file
from runtimes.conventions import CGROUP_PARENT
from runtimes.linux.cgroups import MOUNTINFO, mounts

DEEPEST = 3
"""Levels below the run's directory that are looked at: Docker's boxes are two below it."""


def directories(run: str) -> tuple[Path, ...]:
    """Where the quotas of the run's boxes are; none where no cgroups are mounted."""
    found = mounts.parse(MOUNTINFO.read_text())
    root = found.v1.get("cpu") or found.v2
    return () if root is None else (root / CGROUP_PARENT / run,)


def held_back_ns(parents: Sequence[Path]) -> int | None:
    """Sum over every cgroup below; None where there is none.

    Of boxes only one runs at a time, and the peer has no quota, so the sum is the box's.
    """
    found = [
        spent
        for parent in parents
        for directory in _below(parent, DEEPEST)
        if (spent := throttled_ns(read_file(f"{directory}/cpu.stat"))) is not None
    ]
    return sum(found) if found else None


def throttled_ns(stat: str) -> int | None:
    """From cpu.stat: ``throttled_time`` in ns (v1) or ``throttled_usec`` (v2)."""
    values = dict(line.split(" ", 1) for line in stat.splitlines() if " " in line)
    for key, unit_ns in (("throttled_time", 1), ("throttled_usec", 1000)):
        text = values.get(key, "").strip()
        if text.isdecimal():
            return int(text) * unit_ns
    return None


def _below(directory: Path, levels: int) -> Iterator[Path]:
    if levels == 0:
        return
    try:
        children = [entry for entry in directory.iterdir() if entry.is_dir()]
    except OSError:
        return
    for child in children:
        yield child
        yield from _below(child, levels - 1)
