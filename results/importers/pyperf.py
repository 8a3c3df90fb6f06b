"""pyperf's JSON (``-o``): every run is a process and so a trial, its values are iterations.

Warm-up values and calibration runs, which have no others, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from results.importers import documents
from results.importers.errors import ImportFault
from results.importers.files import Source
from results.importers.reading import Contents, Options, Reading
from results.importers.values import NS_PER, tidy

UNITS: Mapping[str, tuple[str, str, float]] = {
    "second": ("wall_ns", "ns", NS_PER["s"]),
    "byte": ("memory_bytes", "B", 1.0),
    "integer": ("count", "", 1.0),
}
"""pyperf's unit → metric, unit, factor.  Its values are always better when lower."""

HOST = {
    "cpu_model_name": "cpu_model",
    "cpu_count": "cpu_count",
    "platform": "platform",
    "python_version": "python",
    "hostname": "hostname",
}


class _Run(msgspec.Struct, frozen=True):
    values: list[float] = []


class _Benchmark(msgspec.Struct, frozen=True):
    runs: list[_Run]
    metadata: dict[str, Any] = {}


class _File(msgspec.Struct, frozen=True):
    benchmarks: list[_Benchmark]
    metadata: dict[str, Any] = {}


def read(data: bytes, source: Source, options: Options) -> Contents:
    """The readings of pyperf's JSON.

    Raises:
        ImportFault: it is of another shape, or a value cannot be used.
    """
    found = documents.decode(data, _File, source.name)
    readings: list[Reading] = []
    for index, benchmark in enumerate(found.benchmarks):
        metadata = {**found.metadata, **benchmark.metadata}
        at = f"{source.name}: $.benchmarks[{index}]"
        taken = list(_readings(benchmark, metadata, at, source, options))
        if not taken:
            raise ImportFault(f"{at}: no run has values", "calibration and warm-ups do not count")
        readings += taken
    return Contents("pyperf", tuple(readings), documents.facts(found.metadata, HOST))


def _readings(
    benchmark: _Benchmark,
    metadata: Mapping[str, Any],
    at: str,
    source: Source,
    options: Options,
) -> Iterator[Reading]:
    unit_name, name = metadata.get("unit", "second"), metadata.get("name", "")
    if not isinstance(unit_name, str) or unit_name not in UNITS:
        raise ImportFault(f"{at}: the unit {unit_name!r:.40} is none of {', '.join(UNITS)}")
    label = name if isinstance(name, str) else ""
    metric, unit, factor = UNITS[unit_name]
    for place, run in enumerate(benchmark.runs):
        for iteration, value in enumerate(run.values):
            where = f"{at}.runs[{place}].values[{iteration}]"
            yield Reading(
                arm=source.arm,
                label=label,
                workload=options.workload or (source.arm and tidy(label)) or tidy(source.path.stem),
                metric=metric,
                unit=unit,
                direction="lower",
                value=documents.checked(value * factor, unit, where),
                block="",
                trial=f"{place + 1}",
                iteration=iteration + 1,
                where=where,
            )
