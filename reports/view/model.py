"""What a report shows, as plain frozen data: no pandas, no markup, every text already cleaned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["stop", "caution", "good", "info"]
Tone = Literal["same", "cost", "gain", "plain", "none"]


@dataclass(frozen=True, slots=True)
class ArmView:
    """One arm, and how it is drawn wherever it appears."""

    name: str
    label: str
    slot: int
    """Index of its colour and marker: constant for known arms."""
    condition: str
    """What keeps all of it from being judged: ``emulated``, ``simulated``, or nothing."""
    again: bool
    """It is the baseline once more: the A/A arm."""

    @property
    def hollow(self) -> bool:
        """Drawn, so that one sees that it works, but judged by nobody."""
        return bool(self.condition)


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with its interval; ``low`` and ``high`` are None where declined."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Effect:
    """An arm against the baseline in one metric, turned so that above 1 is better."""

    arm: ArmView
    n: int
    ratio: float | None
    low: float | None
    high: float | None
    pairs: tuple[float, ...]
    """The ratio in each block: the raw evidence under the interval."""
    note: str
    """Why there is no ratio or no interval; empty where there are both."""
    reading: str
    """In a few words, e.g. ``slower``; honours the A/A floor."""
    tone: Tone
    method: str
    """How the ratio and its interval were made."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The smallest effect that this machine can show in a metric, from native against native."""

    ratio: float
    """At least 1: effects inside [1/ratio, ratio] are not told from noise."""
    proven: bool
    """From an interval; otherwise merely the largest difference seen between pairs."""
    n: int

    @property
    def effect(self) -> float:
        """The floor as a margin, as ``results.stats`` and the ledger count: ½ and 2 are 0.5."""
        return 1 - 1 / self.ratio


@dataclass(frozen=True, slots=True)
class ArmValue:
    """One arm's own figure in a metric."""

    arm: ArmView
    median: Interval
    values: tuple[float, ...]
    """Trial-level values, ascending."""


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric of one workload, in every arm."""

    workload: str
    title: str
    resource: str
    metric: str
    unit: str
    direction: str
    primary: bool
    floor: Floor | None
    values: tuple[ArmValue, ...]
    effects: tuple[Effect, ...]

    @property
    def rows(self) -> tuple[tuple[ArmValue, Effect | None], ...]:
        """Each arm's own figure beside its effect; the baseline has none."""
        effects = {effect.arm.name: effect for effect in self.effects}
        return tuple((value, effects.get(value.arm.name)) for value in self.values)


@dataclass(frozen=True, slots=True)
class Price:
    """One cell of the first table: what a box costs in one resource."""

    figure: str
    remark: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What one box costs."""

    arm: ArmView
    prices: tuple[Price, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """One line of the banner “What may be believed”."""

    level: Level
    title: str
    detail: str
    remedy: str = ""
    floor: bool = False
    """It tells the smallest effect that this machine can show."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One phase of a start, its median duration over trials."""

    phase: str
    label: str
    median_ns: float


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """Where the time between request and removal goes in one arm."""

    arm: ArmView
    segments: tuple[Segment, ...]
    n: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A trial that does not count, and why."""

    trial: str
    arm: ArmView
    workload: str
    status: str
    reason: str
    remedy: str
    tail: str


@dataclass(frozen=True, slots=True)
class Table:
    """A plain table: environment, published figures."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
