"""Files to import, and what comes of them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from results.importers import Options, Source, prepare
from results.importers.make_run import Made

DATA = Path(__file__).parent.parent / "data" / "import"
HEADER = "arm,workload,metric,unit,direction,value"


def csv(path: Path, rows: Sequence[str], header: str = HEADER) -> Path:
    """Write a CSV file of ``rows`` and return its path."""
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def made(path: Path | str, arm: str = "", **options: object) -> Made:
    """The run of one file, unwritten."""
    source = Source(path if isinstance(path, Path) else DATA / path, arm)
    return prepare([source], Options(**options), ("invoke", "import"))  # type: ignore[arg-type]


def values(run: Made) -> dict[tuple[str, str, str], list[list[float]]]:
    """Trials' values by arm, workload and metric."""
    found: dict[tuple[str, str, str], list[list[float]]] = {}
    for trial, samples in run.trials:
        arm = trial.backend if trial.profile == "default" else f"{trial.backend}:{trial.profile}"
        by_metric: dict[str, list[float]] = {}
        for sample in samples:
            by_metric.setdefault(sample.metric, []).append(sample.value)
        for metric, taken in by_metric.items():
            found.setdefault((arm, trial.workload, metric), []).append(taken)
    return found
