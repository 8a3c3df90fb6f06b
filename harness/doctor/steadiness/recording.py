"""What ten seconds of measuring found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Slice = tuple[int, int]
"""Which of two arms that do not differ, and how long its fixed work took, ns."""
Round = tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """What the kernel counted meanwhile."""

    seconds: float
    steal: float
    """Share of all CPUs' time, certainly stolen."""
    other_cpus: float
    """CPUs' worth that processes used which are not ours."""
    neighbours: Mapping[str, float]
    """Name → CPUs' worth of the busiest of them, the busiest first."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Readings of the clocks, and slices of two arms that do not differ."""

    paces: Mapping[int, tuple[int, ...]]
    """CPU → how long the fixed work took there, ns, in order."""
    blocks: tuple[tuple[Round, ...], ...]
    """Of equally many rounds; the last may have fewer, where time ran out."""
    load: Load
    closed: tuple[int, ...] = field(default=())
    """CPUs on which this process may not work."""
