"""What there is to work with: registered runtimes and workloads, places, the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.clock import Clock
from harness.directories import Places
from harness.privacy import Redaction
from runtimes.base import Runtime
from workloads.base import Workload


@dataclass(frozen=True, slots=True)
class Equipment:
    """Given to everything that plans or carries out a run."""

    runtimes: Mapping[str, Runtime]
    workloads: Mapping[str, Workload]
    places: Places
    clock: Clock
    redaction: Redaction
    """What is left out of what is written."""
