"""pytest-benchmark's JSON (``--benchmark-json`` with ``--benchmark-save-data``).

All rounds of a test run in one process, so they are iterations of one trial: several files, each
of a process of its own, make several trials.  ``--rounds trials`` counts each round as a trial;
then intervals tell of that one process, and a note says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from results.importers import documents
from results.importers.errors import ImportFault
from results.importers.files import Source
from results.importers.reading import Contents, Options, Reading
from results.importers.values import NS_PER, tidy

HOST = {
    "machine": "architecture",
    "release": "kernel",
    "python_version": "python",
    "node": "hostname",
}
CPU = {"brand_raw": "cpu_model", "count": "cpu_count"}

ONE_PROCESS = (
    "the rounds of one process were counted as trials: intervals say how sure its figures are, not "
    "how much another process would differ"
)


class _Stats(msgspec.Struct, frozen=True):
    data: list[float] | None = None


class _Benchmark(msgspec.Struct, frozen=True):
    name: str
    stats: _Stats
    group: str | None = None
    fullname: str = ""
    params: dict[str, Any] | None = None


class _File(msgspec.Struct, frozen=True):
    benchmarks: list[_Benchmark]
    machine_info: dict[str, Any] = {}


def read(data: bytes, source: Source, options: Options) -> Contents:
    """The readings of pytest-benchmark's JSON.

    Raises:
        ImportFault: it holds summaries only, is of another shape, or a value cannot be used.
    """
    found = documents.decode(data, _File, source.name)
    readings = [
        reading
        for index, benchmark in enumerate(found.benchmarks)
        for reading in _readings(
            benchmark, f"{source.name}: $.benchmarks[{index}]", source, options
        )
    ]
    cpu = found.machine_info.get("cpu")
    host = documents.facts(found.machine_info, HOST)
    host |= documents.facts(cpu, CPU) if isinstance(cpu, dict) else {}
    notes = (ONE_PROCESS,) if options.rounds_are_trials else ()
    return Contents("pytest-benchmark", tuple(readings), host, notes)


def _readings(
    benchmark: _Benchmark, at: str, source: Source, options: Options
) -> Iterator[Reading]:
    rounds = benchmark.stats.data
    if not rounds:
        raise ImportFault(
            f"{at}: no stats.data, only a summary",
            "save the rounds too: pytest --benchmark-json=FILE --benchmark-save-data",
        )
    params = {name: _plain(value) for name, value in (benchmark.params or {}).items()}
    arm = params.pop(options.arm_param, "") if options.arm_param else ""
    for index, seconds in enumerate(rounds):
        where = f"{at}.stats.data[{index}]"
        yield Reading(
            arm=source.arm or arm.casefold(),
            label=benchmark.fullname or benchmark.name,
            workload=_workload(benchmark, params, source if not arm else None, options),
            metric="wall_ns",
            unit="ns",
            direction="lower",
            value=documents.checked(seconds * NS_PER["s"], "ns", where),
            block="",
            trial=f"{index + 1}" if options.rounds_are_trials else "1",
            iteration=1 if options.rounds_are_trials else index + 1,
            where=where,
        )


def _plain(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) else "?"


def _workload(
    benchmark: _Benchmark, params: dict[str, str], told_apart_by: Source | None, options: Options
) -> str:
    """``group.name`` with the other parameters.

    Where names tell arms apart, they are no part of the workload: then it is the group, or the
    file's name.
    """
    name = benchmark.name.partition("[")[0].removeprefix("test_").removeprefix("bench_")
    full = f"{benchmark.group}.{name}" if benchmark.group else name
    if told_apart_by is not None and not told_apart_by.arm:
        full = benchmark.group or told_apart_by.path.stem
    told = ",".join(f"{key}={value}" for key, value in sorted(params.items()))
    full = options.workload or full
    return tidy(f"{full}[{told}]" if told else full)
