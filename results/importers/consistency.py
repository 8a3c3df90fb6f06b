"""What has to hold between the readings of an import."""

from __future__ import annotations

from collections.abc import Iterable

from results.importers.errors import ImportFault
from results.importers.reading import Reading
from results.importers.values import name_problem

MOST_METRICS = 2000
"""Of all workloads together: nobody reads a report of more."""

Trial = tuple[str, str, str, str]
"""Arm, workload, block, trial."""


def check(readings: Iterable[tuple[str, Reading]]) -> None:
    """Check pairs of an arm and its reading, the ``trial`` of which is unique among all files.

    Raises:
        ImportFault: a metric in two units or directions, one measurement twice, or two
            benchmarks that became one workload.
    """
    metrics: dict[tuple[str, str], Reading] = {}
    labels: dict[tuple[str, str, str], Reading] = {}
    seen: dict[tuple[Trial, str, int], str] = {}
    for arm, reading in readings:
        first = metrics.setdefault((reading.workload, reading.metric), reading)
        if first is not reading:
            _same_kind(first, reading)
        else:
            _can_be_named(reading, len(metrics))
        earlier = labels.setdefault((arm, reading.workload, reading.trial), reading)
        if earlier.label != reading.label:
            raise ImportFault(
                f"{reading.where}: {reading.label!r:.80} and {earlier.label!r:.80} are both "
                f"{reading.workload!r:.80} in {arm}",
                "leave --workload out, map them to different arms, or import them apart",
            )
        if reading.trial:
            trial = (arm, reading.workload, reading.block, reading.trial)
            where = seen.setdefault((trial, reading.metric, reading.iteration), reading.where)
            if where != reading.where:
                raise ImportFault(
                    f"{reading.where}: the same arm, workload, metric, block, trial and iteration "
                    f"as {where.rpartition(':')[2].strip()}",
                    "number trials and iterations so that each value has its own",
                )


def _can_be_named(reading: Reading, count: int) -> None:
    problem = name_problem(reading.workload)
    if problem:
        raise ImportFault(
            f"{reading.where}: the workload has no usable name: {problem}", "give one: --workload"
        )
    if count > MOST_METRICS:
        raise ImportFault(
            f"{reading.where}: more than {MOST_METRICS} workloads and metrics",
            "a workload is what every arm runs, not what tells rows apart",
        )


def _same_kind(first: Reading, reading: Reading) -> None:
    for what in ("unit", "direction"):
        one, other = getattr(first, what), getattr(reading, what)
        if one != other:
            raise ImportFault(
                f"{reading.where}: {what}: {reading.workload} {reading.metric} is in "
                f"{other or '(none)'!s}, but in {one or '(none)'} at {first.where}",
                "convert it, or give it another name as a metric"
                if what == "unit"
                else "a metric is better when higher or when lower, not both",
            )
