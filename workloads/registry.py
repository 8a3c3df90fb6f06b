"""Workloads by name: ours and those of other packages, through entry points.

A package adds a workload by an entry point in the group ``tarebench.workloads`` whose name is
the workload's and whose object is a ``Workload``.  One that cannot be loaded, or is not what it
says, is reported and does not keep the others from running.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args, get_type_hints

from workloads.base import Workload

GROUP = "tarebench.workloads"

_OWN_MODULES = "workloads."

_NAME = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9-]*")
_METRIC = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry point that gives no workload."""

    name: str
    origin: str
    """Where it points, with the package that registered it: ``their.module:THING (their-pkg)``."""
    reason: str


@dataclass(frozen=True, slots=True)
class Registry:
    """Every registered workload; names are in order in ``workloads``."""

    workloads: Mapping[str, Workload]
    broken: tuple[Broken, ...]


def load(
    entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
) -> Registry:
    """Load what is registered.  Never raises for a single entry point.

    Args:
        entry_points: instead of those of the installed packages.
    """
    found = importlib.metadata.entry_points(group=GROUP) if entry_points is None else entry_points
    claims: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for point in found:
        same = claims.setdefault(point.name, [])
        # The same distribution is seen twice where a checkout is both installed and on the path.
        if point.value not in {other.value for other in same}:
            same.append(point)
    workloads: dict[str, Workload] = {}
    broken: list[Broken] = []
    for name in sorted(claims):
        rightful, refused = _settle(name, claims[name])
        broken.extend(refused)
        loaded = _load(name, rightful) if rightful is not None else None
        if isinstance(loaded, Broken):
            broken.append(loaded)
        elif loaded is not None:
            workloads[name] = loaded
    return Registry(workloads, tuple(broken))


def _settle(
    name: str, points: list[importlib.metadata.EntryPoint]
) -> tuple[importlib.metadata.EntryPoint | None, list[Broken]]:
    """Who has the right to ``name``: the only claimant, or ours, or else nobody."""
    if len(points) == 1:
        return points[0], []
    ours = [point for point in points if point.value.startswith(_OWN_MODULES)]
    rightful = ours[0] if len(ours) == 1 else None
    refused = sorted(_origin(point) for point in points if point is not rightful)
    return rightful, [
        Broken(name, origin, "another package registers the same name") for origin in refused
    ]


def _load(name: str, point: importlib.metadata.EntryPoint) -> Workload | Broken:
    origin = _origin(point)
    try:
        thing = point.load()
    except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything on import
        return Broken(name, origin, f"importing it failed: {type(error).__name__}: {error}")
    if not isinstance(thing, Workload):
        return Broken(name, origin, f"it is of type {type(thing).__name__}, not a Workload")
    faults = faults_of(thing, name)
    return Broken(name, origin, "; ".join(faults)) if faults else thing


def _origin(point: importlib.metadata.EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "unknown package"
    return f"{point.value} ({package})"


def faults_of(workload: Workload, registered_as: str) -> list[str]:
    """What is wrong with the definition of ``workload``; empty where nothing is."""
    faults = []
    if workload.name != registered_as:
        faults.append(f"it calls itself {workload.name!r}")
    if not _NAME.fullmatch(registered_as):
        faults.append("its name is not of the form resource.what, in lower case")
    resources = get_args(get_type_hints(Workload)["resource"])
    if workload.resource not in resources:
        faults.append(f"resource {workload.resource!r} is not one of {', '.join(resources)}")
    elif not registered_as.startswith(f"{workload.resource}."):
        faults.append(f"its name does not begin with its resource, {workload.resource!r}")
    faults.extend(_metric_faults(workload))
    paths = (workload.program, *workload.files, *(item.path for item in workload.programs))
    faults.extend(f"{path!r} is not an absolute path" for path in paths if not path.startswith("/"))
    return faults


def _metric_faults(workload: Workload) -> list[str]:
    names = [metric.name for metric in workload.metrics]
    faults = [f"metric {name!r} is not lower_snake_case" for name in names if not _good(name)]
    if len(set(names)) != len(names):
        faults.append("two of its metrics have the same name")
    primary = sum(metric.primary for metric in workload.metrics)
    if primary != 1:
        faults.append(f"{primary} of its metrics are primary, expected one")
    faults.extend(
        f"direction {metric.direction!r} of {metric.name!r} is neither higher nor lower"
        for metric in workload.metrics
        if metric.direction not in {"higher", "lower"}
    )
    return faults


def _good(metric_name: str) -> bool:
    return _METRIC.fullmatch(metric_name) is not None
