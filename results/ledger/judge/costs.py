"""What one more block of a workload takes, from what the blocks of this run took."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Mapping, Sequence

from results.records.records import Trial

Costs = Mapping[str, float]
"""Workload → seconds of one of its blocks, every arm in it."""


def block_costs(trials: Sequence[Trial]) -> Costs:
    """Median over the blocks of each workload; nothing of one whose trials tell no time.

    A block took from its first trial's beginning to its last one's end, and at most what its
    trials took one by one: a run that was killed in the middle of a block left a gap there, and
    boxes that are up together overlap.
    """
    found: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        found.setdefault((trial.workload, trial.block), []).append(trial)
    by_workload: dict[str, list[float]] = {}
    for (workload, _), members in found.items():
        seconds = _seconds(members)
        if seconds > 0.0:
            by_workload.setdefault(workload, []).append(seconds)
    return {workload: statistics.median(each) for workload, each in by_workload.items()}


def _seconds(members: Sequence[Trial]) -> float:
    one_by_one = sum(map(_took_s, members))
    begun = [_begun(each) for each in members]
    known = [at for at in begun if at is not None]
    if len(known) < len(begun):
        return one_by_one
    ends = [at + _took_s(each) for at, each in zip(known, members, strict=True)]
    return min(max(ends) - min(known), one_by_one)


def _took_s(trial: Trial) -> float:
    """As harness.run.stopping counts it against a budget."""
    return max(0.0, max(trial.phases_ns.values(), default=0) + trial.bookkeeping_ns) / 1e9


def _begun(trial: Trial) -> float | None:
    """Seconds since the epoch; None where its record does not tell."""
    try:
        return dt.datetime.fromisoformat(trial.started_utc).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
