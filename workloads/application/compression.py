"""Compression: xz over text that a small program of ours makes up, on all CPUs of the box.

The text is made in the box before anything is timed, and is cut into far more blocks than there
are threads, so that every CPU has work until nearly the end.  Nothing is awaited from the disk:
input and output fit the page cache, and xz does not flush.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from workloads.application.repeats import repeated
from workloads.base import (
    Command,
    CommandWork,
    Measurement,
    Metric,
    Output,
    Program,
    Service,
    Side,
    Size,
    Workload,
)
from workloads.reading import NUMBER, Reader

_XZ = "/usr/bin/xz"
_MAKER = "/opt/tarebench/corpus"
_TEXT = "/volume/corpus"
_PROGRAM = Program(_MAKER, Path(__file__).parents[1] / "programs" / "corpus.c", flags=("-O2",))
_BYTES_PER_SECOND_OF_SIZE = 8 << 20
_BLOCK_BYTES = 128 << 10
_PRESET = 1
_UNITS: Mapping[str, int] = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_MOST_BYTES_PER_S = 1e13
_MOST_BYTES = 1e12
_AMOUNT = rf"{NUMBER} ([KMG]?i?B)"
_SUMMARY = re.compile(rf"{_AMOUNT} / {_AMOUNT} = ([0-9.]{{1,8}})(?:, [^\n]{{1,60}})?")


def _work(size: Size) -> CommandWork:
    text_bytes = _BYTES_PER_SECOND_OF_SIZE * size.seconds
    limit_s = 120.0 + 60.0 * size.seconds
    maker = Service((_MAKER, _TEXT, str(text_bytes)), Side.BOX, timeout_s=limit_s)
    argv = (
        *(_XZ, "--verbose", f"-{_PRESET}", "--threads={cpus}", f"--block-size={_BLOCK_BYTES}"),
        *("--keep", "--force", _TEXT),
    )
    return repeated(Command(argv, limit_s), size, (maker,))


def parse(output: Output) -> tuple[Measurement, ...]:
    """Read ``xz --verbose`` 5 on standard error: sizes; the time is the box's, of the process.

    Raises:
        WorkloadFault: on anything else, or if it did not compress what it was given.
    """
    said = dataclasses.replace(output, stdout=output.stderr, stderr=output.stdout)
    reader = Reader.of("xz", said)
    found = _SUMMARY.fullmatch(reader.rest(f"{_TEXT}:"))
    if found is None:
        raise reader.fault("its line is not '… / … = ratio'")
    small, whole = (
        reader.bounded(float(number) * _UNITS.get(unit, 0), "a size", at_most=_MOST_BYTES)
        for number, unit in (found.group(1, 2), found.group(3, 4))
    )
    if whole % _BYTES_PER_SECOND_OF_SIZE:
        raise reader.fault(f"{whole:g} bytes are not the text that it was given")
    if small >= whole:
        raise reader.fault(f"{whole:g} bytes became {small:g}")
    rate = whole / (max(output.wall_ns, 1) / 1e9)
    return (
        ("bytes_per_second", reader.bounded(rate, "rate", at_most=_MOST_BYTES_PER_S)),
        ("compressed_ratio", small / whole),
    )


COMPRESSION = Workload(
    name="application.compression",
    resource="application",
    title="Compression on all CPUs (xz)",
    metrics=(
        Metric("bytes_per_second", "B/s", "higher", primary=True),
        Metric("compressed_ratio", "1", "lower"),
    ),
    work=_work,
    parse=parse,
    program=_XZ,
    packages=("xz-utils",),
    programs=(_PROGRAM,),
    needs_volume=True,
)
