"""Output of this project's own programs: a version line, then ``key value unit`` lines."""

from __future__ import annotations

from collections.abc import Mapping

from workloads.base import Output
from workloads.reading import NUMBER, Reader

_LARGEST = 1e14


def values(program: str, output: Output, units: Mapping[str, str]) -> dict[str, float]:
    """Exactly the keys of ``units``, each in its unit.

    Raises:
        WorkloadFault: on anything but the program's exact output.
    """
    reader = Reader.of(program, output)
    lines = [line for line in reader.lines if line]
    if not lines or lines[0] != f"tarebench-{program} 1":
        raise reader.fault(f"its first line is not 'tarebench-{program} 1'")
    if len(lines) != 1 + len(units):
        raise reader.fault(f"it has {len(lines) - 1} values, not {len(units)}")
    found = {}
    for key, unit in units.items():
        match = reader.match(f"{key} ", f"{NUMBER} {unit}")
        found[key] = reader.bounded(float(match[1]), key, at_most=_LARGEST)
    return found
