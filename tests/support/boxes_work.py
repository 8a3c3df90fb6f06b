"""How long boxes were at the work that a run is about, from what it recorded."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from results.records.records import Trial

WHOLE_LIFE = ("startup.", "footprint.")
"""Workloads whose work is to start, weigh and remove boxes."""


def boxes_work_s(trials: Iterable[Trial]) -> float:
    """Seconds from a box's first byte to the request to stop it; its whole life where it is timed.

    Boxes of a sliced block are up together: it counts once, and only while all of them are.
    """

    def block(trial: Trial) -> tuple[str, int, bool]:
        return trial.workload, trial.block, bool(trial.beside)

    ordered = sorted(trials, key=block)
    return sum(_of_block(list(group)) for _, group in itertools.groupby(ordered, block))


def _of_block(trials: Sequence[Trial]) -> float:
    spans = [_span_ns(trial) / 1e9 for trial in trials]
    return min(spans) if trials[0].beside else sum(spans)


def _span_ns(trial: Trial) -> int:
    phases = trial.phases_ns
    if trial.workload.startswith(WHOLE_LIFE):
        return phases.get("removed", 0) - phases.get("request", 0)
    return max(0, phases.get("stop_request", 0) - phases.get("first_byte", 0))
