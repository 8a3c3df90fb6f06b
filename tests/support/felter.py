"""A run with everything that Felter et al. measured, in their arms, made from a seed."""

from __future__ import annotations

import random
from pathlib import Path

from reports.view.counterparts import COUNTERPARTS
from results.importers import Options, Source, import_files
from tests.support.imports import csv

FACTORS = {
    "native": 1.0,
    "docker": 0.7,
    "docker:host-net": 0.99,
    "kvm": 0.45,
    "kvm:tuned": 0.9,
}
BLOCKS = 6


def write(root: Path) -> Path:
    """The run's directory below ``root``."""
    chance = random.Random(2014)
    rows = []
    for counterpart in COUNTERPARTS:
        metric = counterpart.metrics[0]
        lower = metric.endswith("_ns")
        for arm, factor in FACTORS.items():
            for block in range(1, BLOCKS + 1):
                value = 1e6 * (1 / factor if lower else factor) * chance.gauss(1, 0.02)
                direction = "lower" if lower else "higher"
                unit = "ns" if lower else "1/s"
                cells = (arm, counterpart.workload, metric, unit, direction, f"{value}")
                rows.append(",".join((*cells, f"{block}")))
    root.mkdir(parents=True, exist_ok=True)
    file = csv(root / "felter.csv", rows, "arm,workload,metric,unit,direction,value,block")
    source = Source(file, "")
    return import_files([source], Options(), root, ("invoke", "import")).directory
