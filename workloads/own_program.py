"""Output of this project's own programs: a version line, then ``key value unit`` lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from workloads.base import Output, WorkloadFault
from workloads.reading import NUMBER, Reader

_LARGEST = 1e14
_PAIR = re.compile(r"([a-z][a-z0-9_]{0,39})=([0-9]{1,15})", re.ASCII)


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


def answer(program: str, line: bytes, keys: Sequence[str]) -> dict[str, int]:
    """Numbers of one slice: exactly ``keys``, each ``KEY=NUMBER`` and above zero, in any order.

    Raises:
        WorkloadFault: on anything but the program's exact answer.
    """
    shown = line[:1000].decode("ascii", "replace")
    words = [_PAIR.fullmatch(word) for word in shown.split(" ")] if len(line) <= 1000 else []
    found = {match[1]: int(match[2]) for match in words if match}
    if len(found) != len(words) or found.keys() != set(keys) or not all(found.values()):
        raise WorkloadFault(
            f"{program} answered a slice with {shown[:120]!r}, not with {', '.join(keys)}",
            hint="the program in the box is not this version's: invoke clean --cache",
        )
    return found
