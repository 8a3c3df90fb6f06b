"""hyperfine's JSON (``--export-json``): every timing is a trial, for it is a process of its own.

A timing whose command exited with another status than 0 is a failed trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from results.importers import documents
from results.importers.errors import ImportFault
from results.importers.files import Source
from results.importers.reading import Contents, Options, Reading
from results.importers.values import NS_PER, tidy

COMMAND_LIMIT = 4096


class _Result(msgspec.Struct, frozen=True):
    command: str
    times: list[float] | None = None
    exit_codes: list[int | None] | None = None
    memory_usage_byte: list[float] | None = None
    parameters: dict[str, str | int | float] | None = None


class _File(msgspec.Struct, frozen=True):
    results: list[_Result]


def read(data: bytes, source: Source, options: Options) -> Contents:
    """The readings of hyperfine's JSON.

    Raises:
        ImportFault: it is of another shape, or a value cannot be used.
    """
    found = documents.decode(data, _File, source.name).results
    readings = [
        reading
        for index, result in enumerate(found)
        for reading in _readings(result, f"{source.name}: $.results[{index}]", source, options)
    ]
    return Contents("hyperfine", tuple(readings))


def _readings(result: _Result, at: str, source: Source, options: Options) -> Iterator[Reading]:
    times, codes, memory = result.times, result.exit_codes, result.memory_usage_byte
    if not times:
        raise ImportFault(
            f"{at}: no times, only their summary",
            "export again with --export-json, which keeps every timing",
        )
    for name, values in (("exit_codes", codes), ("memory_usage_byte", memory)):
        if values is not None and len(values) != len(times):
            raise ImportFault(f"{at}.{name}: {len(values)} of them for {len(times)} times")
    parameters = {name: str(value) for name, value in (result.parameters or {}).items()}
    arm = parameters.pop(options.arm_param, "") if options.arm_param else ""
    workload = _workload(result.command, arm, source, parameters, options)
    for index, seconds in enumerate(times):
        metrics = {"wall_ns": (seconds * NS_PER["s"], "ns", f"{at}.times[{index}]")}
        if memory is not None:
            where = f"{at}.memory_usage_byte[{index}]"
            metrics["peak_bytes"] = (memory[index], "B", where)
        for metric, (value, unit, where) in metrics.items():
            yield Reading(
                arm=source.arm or arm.casefold(),
                label=result.command[:COMMAND_LIMIT],
                workload=workload,
                metric=metric,
                unit=unit,
                direction="lower",
                value=documents.checked(value, unit, where),
                block="",
                trial=f"{index + 1}",
                iteration=1,
                where=where,
                failure=_failure(codes[index] if codes else 0),
            )


def _failure(status: int | None) -> str:
    if status == 0:
        return ""
    return "killed by a signal" if status is None else f"exit status {status}"


def _workload(
    command: str, arm: str, source: Source, parameters: Mapping[str, str], options: Options
) -> str:
    """A file of one arm has a workload per command; one of several arms has one per parameters.

    Parameters that stand in the command already are not told again.
    """
    name = source.path.stem
    if source.arm or arm:
        # What names the arm is no part of the work.
        name = command.replace(arm, options.arm_param) if arm else command
    told = ", ".join(
        f"{key}={value}" for key, value in sorted(parameters.items()) if value not in name
    )
    base = options.workload or name
    return tidy(f"{base} {told}" if told else base)
