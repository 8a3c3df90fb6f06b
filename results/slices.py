"""Slices in a run's frame: each trial's become one level, with what its block drifted taken out.

The instance stays the unit: a block yields one value for each arm, and blocks are what intervals
count.  See ``results.stats.interleaved`` for how, docs/statistics.md for why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from results.stats.interleaved import Block, Carried, Fit, Pair, carried, fit


@dataclass(frozen=True, slots=True)
class Sliced:
    """One metric of one block whose instances took turns."""

    workload: str
    metric: str
    block: int
    arms: tuple[str, ...]
    """By their numbers in ``slices``."""
    slices: Block
    rows: npt.NDArray[np.intp]
    """Of the frame, in the order of the slices."""


Fitted = tuple[Sliced, Fit]


def fitted(frame: pd.DataFrame) -> list[Fitted]:
    """Every metric of every block in slices, with its fit."""
    return [(each, fit(each.slices)) for each in sliced(frame)]


def settled(frame: pd.DataFrame, fits: Sequence[Fitted] | None = None) -> pd.DataFrame:
    """``frame`` with the value of every valid slice replaced by its trial's level.

    Its mean over a trial is then that level.  Whatever is no slice stays as it is; a frame
    without slices is given back itself.
    """
    known = fitted(frame) if fits is None else fits
    if not known:
        return frame
    replaced = frame["value"].to_numpy(float, copy=True)
    for each, found in known:
        replaced[each.rows] = np.exp(found.levels)[each.slices.arms]
    return frame.assign(value=replaced)


def carry_over(fits: Iterable[Fitted], baseline: str, candidate: str) -> Carried | None:
    """What ``candidate`` leaves to the slice after it, from one metric's blocks that hold both."""
    blocks = [
        (Pair(each.slices, each.arms.index(baseline), each.arms.index(candidate)), found)
        for each, found in fits
        if baseline in each.arms and candidate in each.arms
    ]
    return carried(blocks)


def sliced(frame: pd.DataFrame) -> Iterator[Sliced]:
    """Every metric of every block in slices: valid, above zero, of each trial's last attempt."""
    if "place" not in frame.columns:
        return
    values, places = frame["value"].to_numpy(float), frame["place"].to_numpy(float)
    usable = frame["valid"].to_numpy(bool) & (places >= 0) & (values > 0.0)
    rows = np.flatnonzero(usable)
    if rows.size == 0:
        return
    chosen = frame.iloc[rows]
    last = chosen.groupby("trial_id", observed=True)["attempt"].transform("max")
    rows = rows[(chosen["attempt"] == last).to_numpy(bool)]
    groups = frame.iloc[rows].groupby(["workload", "metric", "block"], observed=True, sort=True)
    for key, members in groups.indices.items():
        workload, metric, block = cast("tuple[object, object, int]", key)
        its = rows[members]
        yield _block(
            frame,
            its[np.argsort(places[its], kind="stable")],
            (str(workload), str(metric), int(block)),
        )


def _block(frame: pd.DataFrame, rows: npt.NDArray[np.intp], key: tuple[str, str, int]) -> Sliced:
    its = frame.iloc[rows]
    names, arms = _numbered(its["arm"].astype(str))
    _, rounds = _numbered(its["iteration"])
    return Sliced(
        *key,
        tuple(str(name) for name in names),
        Block(
            logs=np.log(its["value"].to_numpy(float)),
            arms=arms,
            rounds=rounds,
            places=its["place"].to_numpy(np.intp),
            count=len(names),
        ),
        rows,
    )


def _numbered(column: pd.Series[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    names, numbers = np.unique(column.to_numpy(), return_inverse=True)
    return names, numbers.astype(np.intp)
