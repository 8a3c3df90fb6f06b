"""Reading a tool's JSON as the claim of a stranger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from workloads.base import Output
from workloads.reading import Reader


def document(reader: Reader, output: Output) -> Mapping[str, Any]:
    """The one JSON object that a tool wrote.

    Raises:
        WorkloadFault: not JSON, not an object, a key twice, NaN or infinity, nested too deeply.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key occurs twice in one object")
        return found

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a number in JSON")

    try:
        report = json.loads(
            output.stdout.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse
        )
    except (ValueError, RecursionError) as error:
        raise reader.fault(f"not JSON: {error}") from None
    if not isinstance(report, dict):
        raise reader.fault("its JSON is not an object")
    return report


def object_at(reader: Reader, report: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The object that ``keys`` lead to.

    Raises:
        WorkloadFault: there is none.
    """
    at: Any = report
    for key in keys:
        at = at.get(key) if isinstance(at, dict) else None
    if not isinstance(at, dict):
        raise reader.fault(f"its JSON has no object {'.'.join(keys)}")
    return at


def number_at(
    reader: Reader, holder: Mapping[str, Any], key: str, *, at_least: float, at_most: float
) -> float:
    """The number at ``key``, within its bounds.

    Raises:
        WorkloadFault: missing, not a number, or out of bounds.
    """
    value = holder.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise reader.fault(f"{key!r} is {str(value)[:40]!r}, not a number")
    if not at_least <= value <= at_most:  # before float(), for which an int may be too large
        raise reader.fault(f"{key!r} is not between {at_least:g} and {at_most:g}")
    return float(value)
