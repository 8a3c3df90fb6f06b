"""What every importer turns its file into: readings, all of one shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from results.records.records import Direction

Format = Literal["tidy-csv", "pytest-benchmark", "hyperfine", "pyperf"]


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of somebody else's.

    A struct and not a dataclass, for there may be a million, and it holds no cycles.
    """

    arm: str
    """As the file names it; empty where it does not."""
    label: str
    """What tells arms apart where the file does not name them: a command, a benchmark's name."""
    workload: str
    metric: str
    unit: str
    direction: Direction
    value: float
    block: str
    """Empty where the file has no blocks."""
    trial: str
    """Unique within arm, workload and block; empty: a trial of its own."""
    iteration: int
    where: str
    """Its place in the file, as it stands in a message."""
    failure: str = ""
    """Why its trial failed: then the value does not count."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A file as it was read."""

    format: Format
    readings: tuple[Reading, ...]
    host: Mapping[str, Any] = field(default_factory=dict)
    """What the file says of the machine; nobody checked it."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says of the files."""

    renames: Mapping[str, str] = field(default_factory=dict)
    """Name in the file → arm."""
    arm_param: str = ""
    """Parameter whose value is the arm."""
    workload: str = ""
    """Name for the workload, where a file holds one."""
    primary: str = ""
    """Metric that stands for its workload; by default the first."""
    baseline: str = ""
    """Arm that becomes ``native``; ``none``: there is none."""
    rounds_are_trials: bool = False
    """Whether each round of pytest-benchmark counts as a trial."""
