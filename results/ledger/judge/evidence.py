"""A run's frame as the ledger reads it: trial-level values by workload, metric and arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from results.frame import means_by, without_warm_ups
from results.records.records import AT_LEAST, EMULATED, Run, arm_name
from results.slices import Fitted, fitted, settled

BASELINE = "native"
AGAIN = "native:aa"

NEVER_VALID: Mapping[str, str] = {
    EMULATED: "ran on an emulated CPU, which says nothing of real VMs",
    "simulated": "did not run at all: its figures are made up",
}
"""Conditions on which no performance claim can rest, whatever the samples' own marks say."""

Key = tuple[str, str, str]
"""Workload, metric, arm."""


@dataclass(frozen=True, slots=True)
class Values:
    """One arm in one metric: a value per valid trial, the mean of its iterations."""

    means: npt.NDArray[np.float64]
    blocks: npt.NDArray[np.int64]
    trials: npt.NDArray[np.object_]
    iterations: int
    """Of the trial that has most."""


NOTHING = Values(np.empty(0), np.empty(0, np.int64), np.empty(0, object), 0)


@dataclass(frozen=True, slots=True)
class Metric:
    """What values of a metric mean."""

    units: tuple[str, ...]
    """More than one only where somebody mixed them up."""
    directions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that verdicts are made from."""

    arms: tuple[str, ...]
    workloads: tuple[str, ...]
    values: Mapping[Key, Values]
    bounds: Mapping[Key, Values]
    """Of samples that are not valid and bound: what they stand for is at least so much."""
    invalid: Mapping[Key, Mapping[str, int]]
    """Trials left out → how many, by reason."""
    metrics: Mapping[tuple[str, str], Metric]
    cautions: Mapping[tuple[str, str], tuple[str, ...]]
    """(workload, arm) → gate codes that valid samples carry."""
    never_valid: Mapping[str, str]
    """Arm → the condition because of which nothing can rest on it."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Backend that was asked for → why it could not run."""
    partial: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Backend → workloads in which it was planned to take part, where not in all."""
    fits: Mapping[tuple[str, str], Sequence[Fitted]] = field(default_factory=dict)
    """(workload, metric) → its blocks in slices."""
    has_floor: bool = True
    """Whether the run should have its A/A arm; imported ones need not."""

    def planned(self, arm: str, workload: str) -> bool:
        """Whether the run meant the arm to do this workload."""
        of_backend = self.partial.get(arm.partition(":")[0], (workload,))
        return workload in self.partial.get(arm, of_backend)

    def of(self, workload: str, metric: str, arm: str) -> Values:
        """Values of an arm, perhaps none."""
        return self.values.get((workload, metric, arm), NOTHING)


def gather(frame: pd.DataFrame, run: Run | None = None) -> Evidence:
    """Read ``frame`` (as ``results.frame.load`` gives it) once.

    Args:
        frame: one row per sample.
        run: adds what samples cannot tell: arms without any, their conditions, backends that
            were left out.
    """
    conditions = _conditions(frame, run)
    frame = without_warm_ups(frame)
    fits = fitted(frame)
    frame = settled(frame, fits)
    arms = [arm_name(arm.backend, arm.profile) for arm in run.arms] if run else []
    workloads = [each.name for each in run.workloads] if run else []
    return Evidence(
        arms=tuple(dict.fromkeys([*arms, *_present(frame["arm"])])),
        workloads=tuple(dict.fromkeys([*workloads, *_present(frame["workload"])])),
        values=_values(frame[frame["valid"]]),
        bounds=_values(_bounding(frame)),
        invalid=_invalid(frame[~frame["valid"]]),
        metrics=_metrics(frame),
        cautions=_cautions(frame[frame["valid"]]),
        never_valid=conditions,
        skipped={each.backend: each.reason for each in run.skipped} if run else {},
        partial=run.partial if run else {},
        fits=_by_metric(fits),
        has_floor=run is None or run.source == "bench",
    )


def _by_metric(fits: Sequence[Fitted]) -> dict[tuple[str, str], list[Fitted]]:
    found: dict[tuple[str, str], list[Fitted]] = {}
    for each, fit in fits:
        found.setdefault((each.workload, each.metric), []).append((each, fit))
    return found


def _present(column: pd.Series[str]) -> list[str]:
    return [str(name) for name in column.unique()]


def _bounding(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that do not count and bound.

    Of what anything else made invalid the frame has taken the mark away.
    """
    codes = {str(text): {*str(text).split("; ")} for text in frame["reasons"].unique()}
    wanted, worse = {AT_LEAST, EMULATED}, NEVER_VALID.keys() - {EMULATED}
    marked = [text for text, said in codes.items() if wanted <= said and not worse & said]
    return frame[~frame["valid"] & frame["reasons"].isin(marked)]


def _conditions(frame: pd.DataFrame, run: Run | None) -> dict[str, str]:
    """Arm → condition, from run.json and from the marks of every single sample."""
    found: dict[str, str] = {}
    for arm, reasons in frame[["arm", "reasons"]].drop_duplicates().itertuples(index=False):
        for code in str(reasons).split("; "):
            if code in NEVER_VALID:
                found.setdefault(str(arm), code)
    for record in run.arms if run else ():
        for code in record.conditions:
            if code in NEVER_VALID:
                found.setdefault(arm_name(record.backend, record.profile), code)
    return found


def _cautions(valid: pd.DataFrame) -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], dict[str, None]] = {}
    marked = valid.loc[valid["reasons"] != "", ["workload", "arm", "reasons"]].drop_duplicates()
    for workload, arm, reasons in marked.itertuples(index=False):
        codes = dict.fromkeys(str(reasons).split("; "))
        found.setdefault((str(workload), str(arm)), {}).update(codes)
    return {key: tuple(codes) for key, codes in found.items()}


def _values(valid: pd.DataFrame) -> dict[Key, Values]:
    """Means per trial.  Of two valid attempts at one trial the later counts."""
    if valid.empty:
        return {}
    by = ["workload", "metric", "arm", "block", "trial_id", "attempt"]
    means = means_by(valid, by)
    means = means.drop_duplicates(["workload", "metric", "trial_id", "arm"], keep="last")
    trials = means["trial_id"].astype(object).to_numpy()
    columns = means["mean"].to_numpy(float), means["block"].to_numpy(np.int64)
    sizes = means["size"].to_numpy(np.int64)
    found: dict[Key, Values] = {}
    groups = means.groupby(["workload", "metric", "arm"], observed=True, sort=False).indices
    for key, rows in groups.items():
        found[_key(key)] = Values(
            columns[0][rows], columns[1][rows], trials[rows], int(sizes[rows].max())
        )
    return found


def _key(group: object) -> Key:
    workload, metric, arm = cast("Key", group)
    return str(workload), str(metric), str(arm)


def _invalid(invalid: pd.DataFrame) -> dict[Key, dict[str, int]]:
    if invalid.empty:
        return {}
    by = ["workload", "metric", "arm", "reasons"]
    trials = invalid[[*by, "trial_id", "attempt"]].drop_duplicates()
    found: dict[Key, dict[str, int]] = {}
    counts = trials.groupby(by, observed=True).size().reset_index(name="count")
    for workload, metric, arm, reasons, count in counts.itertuples(index=False):
        said = str(reasons) or "marked invalid"
        found.setdefault((str(workload), str(metric), str(arm)), {})[said] = int(count)
    return found


def _metrics(frame: pd.DataFrame) -> dict[tuple[str, str], Metric]:
    found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    kinds = frame[["workload", "metric", "unit", "direction"]].drop_duplicates()
    for workload, metric, unit, direction in kinds.itertuples(index=False):
        units, directions = found.setdefault((str(workload), str(metric)), ([], []))
        units += [str(unit)] * (str(unit) not in units)
        directions += [str(direction)] * (str(direction) not in directions)
    return {
        key: Metric(tuple(units), tuple(directions)) for key, (units, directions) in found.items()
    }
