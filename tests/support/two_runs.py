"""Sides to compare, made from numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from results.comparison.model import Side
from results.importers import Options, Source, import_files, prepare
from results.ledger.judge.evidence import gather
from results.records.records import Run, Sample, Trial, arm_name
from tests.support.imports import csv

Values = Mapping[str, Sequence[float]]
"""Arm → values, one per trial."""


def rows(by_arm: Values, workload: str, direction: str, *, blocks: bool) -> list[str]:
    """Rows of a tidy CSV; each value's place is its block, where there are blocks."""
    return [
        f"{arm},{workload},speed,1/s,{direction},{value!r}" + (f",{place}" if blocks else "")
        for arm, values in by_arm.items()
        for place, value in enumerate(values)
    ]


def file_of(
    path: Path,
    by_workload: Mapping[str, Values],
    *,
    direction: str = "higher",
    blocks: bool = False,
) -> Path:
    """A tidy CSV file."""
    lines = [
        row
        for workload, by_arm in by_workload.items()
        for row in rows(by_arm, workload, direction, blocks=blocks)
    ]
    header = "arm,workload,metric,unit,direction,value" + (",block" if blocks else "")
    return csv(path, lines, header)


def stored(path: Path, root: Path) -> str:
    """Import a file; the run's name."""
    return import_files([Source(path, "")], Options(baseline="none"), root, ("invoke",)).run.run_id


def side(path: Path, arm: str = "", **changes: object) -> Side:
    """A side, from a file."""
    made = prepare([Source(path, "")], Options(baseline="none"), ("invoke",))
    run: Run = replace(made.run, **changes)  # type: ignore[arg-type]
    return Side(run, gather(frame(made.trials, run), run), arm)


def frame(trials: Sequence[tuple[Trial, Sequence[Sample]]], run: Run) -> pd.DataFrame:
    """The columns that evidence is gathered from."""
    table = [
        {
            "arm": arm_name(sample.backend, sample.profile),
            "workload": sample.workload,
            "metric": sample.metric,
            "unit": sample.unit,
            "direction": sample.direction,
            "block": sample.block,
            "trial_id": sample.trial_id,
            "attempt": sample.attempt,
            "value": sample.value,
            "valid": sample.valid,
            "reasons": "; ".join(sample.reasons),
            "run_id": run.run_id,
        }
        for _, samples in trials
        for sample in samples
    ]
    return pd.DataFrame(table)
