"""Published beside yours: what Felter et al. found in 2014, next to this run's own ratios.

Context, never proof: another machine, another kernel, another decade.  A published figure becomes
a ratio to the native figure of the same row, turned, as ours are, so that above 1 is better.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reports import text
from reports.view.counterparts import COUNTERPARTS, Counterpart, PublishedRow
from reports.view.model import Effect, MetricView
from reports.view.published import PATH

Column = Literal["container", "container_net_nat", "vm_default", "vm_tuned"]

OVER_THE_NETWORK: Mapping[str, Column] = {
    "docker": "container_net_nat",
    "docker:host-net": "container",
    "kvm": "vm_default",
    "kvm:tuned": "vm_tuned",
}
"""Our arm → their column.  Docker's default is a bridge with NAT and, for data, a volume."""

ELSEWHERE: Mapping[str, Column] = {**OVER_THE_NETWORK, "docker": "container"}
"""Where no packet is sent, one figure stands for both of Docker's networks."""

_NEGLIGIBLE, _ABSURD = 1e-4, 1e4


@dataclass(frozen=True, slots=True)
class Published:
    """One published figure, as a ratio to its native one."""

    ratio: float
    what: str
    source: str
    year: str


@dataclass(frozen=True, slots=True)
class BesideRow:
    """One of our arms, and what was published of its like."""

    effect: Effect
    published: Published


@dataclass(frozen=True, slots=True)
class BesideWork:
    """One workload that has a published counterpart."""

    workload: str
    title: str
    resource: str
    rows: tuple[BesideRow, ...]
    differs: str
    """How theirs was another measurement than ours."""


@dataclass(frozen=True, slots=True)
class BesideView:
    """The whole comparison, in the order of the run's workloads."""

    works: tuple[BesideWork, ...]
    sources: tuple[str, ...]
    """Whom it quotes, with the year."""
    testbed: str
    """What they measured on, as published; empty where the file does not say."""


def beside(
    metrics: Sequence[MetricView],
    path: Path = PATH,
    counterparts: Sequence[Counterpart] = COUNTERPARTS,
) -> BesideView | None:
    """What was published beside what this run has; None where they have nothing in common."""
    known = _verified(path)
    views = {(metric.workload, metric.metric): metric for metric in metrics}
    works = tuple(
        BesideWork(metric.workload, metric.title, metric.resource, rows, counterpart.differs)
        for counterpart in counterparts
        if (metric := _ours(views, counterpart))
        and (rows := tuple(_rows(metric, counterpart, known)))
    )
    if not works:
        return None
    quoted = {(row.published.source, row.published.year) for work in works for row in work.rows}
    return BesideView(
        works=works,
        sources=tuple(f"{source}, {year}" for source, year in sorted(quoted)),
        testbed=_testbed(known, {source for source, _ in quoted}),
    )


def _verified(path: Path) -> list[Mapping[str, str]]:
    """Rows that somebody checked; none where the file is not there."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row.get("verified") == "yes"]
    except OSError:
        return []


def _ours(
    views: Mapping[tuple[str, str], MetricView], counterpart: Counterpart
) -> MetricView | None:
    found = (views.get((counterpart.workload, metric)) for metric in counterpart.metrics)
    return next((metric for metric in found if metric is not None), None)


def _rows(
    metric: MetricView, counterpart: Counterpart, known: Iterable[Mapping[str, str]]
) -> Iterator[BesideRow]:
    columns = OVER_THE_NETWORK if counterpart.over_the_network else ELSEWHERE
    chosen = [(row, each) for row in counterpart.rows for each in known if row.names(each)]
    effects = {effect.arm.name: effect for effect in metric.effects}
    for arm, column in columns.items():
        effect = effects.get(arm)
        if effect is None:
            continue
        found = (_published(row, each, column) for row, each in chosen)
        published = next((one for one in found if one is not None), None)
        if published is not None:
            yield BesideRow(effect, published)


def _published(row: PublishedRow, cells: Mapping[str, str], column: Column) -> Published | None:
    native, other = _number(cells["native"]), _number(cells[column])
    if native is None or other is None:
        return None
    if row.form == "change":
        ratio = 1 + other / 100
    elif native <= 0 or other <= 0:
        return None
    else:
        ratio = other / native if row.form == "higher" else native / other
    if not _NEGLIGIBLE < ratio < _ABSURD:
        return None
    return Published(
        ratio=ratio,
        what=text.clean(f"{cells['workload']}: {cells['metric'].split(' (')[0]}", 160),
        source=text.clean(cells["source"], 120),
        year=text.name(cells["year"], 12),
    )


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _testbed(known: Iterable[Mapping[str, str]], sources: set[str]) -> str:
    found = [
        row["other"] for row in known if row["workload"] == "Testbed" and row["source"] in sources
    ]
    return text.clean("; ".join(found), 400)
