"""Everything on the page, from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.view.beside import BesideView
from reports.view.model import ArmView, Failure, Gate, MetricView, PhaseBar, PriceRow, Table
from reports.view.waterfall import WaterfallView


@dataclass(frozen=True, slots=True)
class ReportView:
    """Everything on the page, from top to bottom."""

    title: str
    subtitle: str
    answer: tuple[str, ...]
    price_head: tuple[str, ...]
    prices: tuple[PriceRow, ...]
    gates: tuple[Gate, ...]
    baseline: str
    """Name of the arm that all others are compared with; empty where there is none."""
    arms: tuple[ArmView, ...]
    metrics: tuple[MetricView, ...]
    phases: tuple[PhaseBar, ...]
    daemons: tuple[tuple[ArmView, float], ...]
    """Fixed memory of the daemons that serve a backend's instances, in bytes, by its first arm."""
    failures: tuple[Failure, ...]
    environment: tuple[Table, ...]
    command: str
    published: Table
    glossary: Mapping[str, str]
    confidence: float
    methods: tuple[str, ...]
    """How ratios and their intervals were made, for the reader who argues."""
    waterfall: WaterfallView | None = None
    """Where the cost comes from; None where the run has no waterfall."""
    beside: BesideView | None = None
    """Published figures beside the run's own; None where they have nothing in common."""
