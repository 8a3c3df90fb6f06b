"""What gates look at, and what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from results.records.records import GateFinding, Pressure
from results.steady import Steadiness
from runtimes.resources import Limits, LimitsRead

Severity = Literal["invalid", "caution"]


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
    """The agent's facts from inside: as hostile as whatever is in the box."""
    host: Mapping[str, object]
    """Facts of the host when the run began."""
    harness_cpus: frozenset[int] = frozenset()
    """CPUs on which the harness runs."""
    durations: tuple[tuple[int, int], ...] = ()
    """Of each job: by the box's clock and by the host's, which includes the way to it; ns."""

    steadiness: Steadiness | None = None
    """Of the trial's iterations; None where it has none."""


Gate = Callable[[Evidence], GateFinding | None]


def graded(value: float, caution: float, invalid: float) -> Severity | None:
    """Worse than ``caution`` or ``invalid``?  A value on the line is not."""
    if value > invalid:
        return "invalid"
    return "caution" if value > caution else None


def plain(text: str, longest: int = 60) -> str:
    """A fact from inside a box, fit for a sentence."""
    return "".join(char if char.isprintable() else "?" for char in text[:longest])
