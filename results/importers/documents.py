"""JSON from strangers, checked against a shape; whatever does not fit is said with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from results.importers import files
from results.importers.errors import ImportFault
from results.importers.values import tidy, value_problem

Document = TypeVar("Document")

_AT = re.compile(r" - at `(?P<path>[^`]*)`$")
_BYTE = re.compile(r" \(byte (?P<byte>\d+)\)$")
FACT_LIMIT = 200


def decode(data: bytes, shape: type[Document], name: str) -> Document:
    """``data`` as a ``shape``.

    Raises:
        ImportFault: no JSON (file, line and column), or of another shape (its path in the JSON).
    """
    files.text(data, name)
    plain = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return msgspec.json.decode(plain, type=shape)
    except msgspec.ValidationError as error:
        words = str(error)
        found = _AT.search(words)
        path = found["path"] if found else "$"
        what = (words[: found.start()] if found else words).replace("Object", "it")
        raise ImportFault(f"{name}: {path}: {what:.200}") from None
    except msgspec.DecodeError as error:
        words = str(error)
        byte = _BYTE.search(words)
        offset = int(byte["byte"]) if byte else len(plain)
        what = words[: byte.start()] if byte else words
        hint = "NaN and Infinity are no JSON" if b"NaN" in plain or b"Infinity" in plain else ""
        raise ImportFault(f"{files.place(plain, offset, name)}: {what:.200}", hint) from None
    except RecursionError:
        raise ImportFault(f"{name}: nested too deeply") from None


def checked(value: float, unit: str, where: str) -> float:
    """``value``, if it can be a measurement.

    Raises:
        ImportFault: it cannot.
    """
    problem = value_problem(value, unit)
    if problem:
        raise ImportFault(f"{where}: {problem}")
    return value


def facts(given: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, Any]:
    """Of ``given`` what ``wanted`` (name there → name of ours) asks for, as short plain values."""
    found: dict[str, Any] = {}
    for theirs, ours in wanted.items():
        value = given.get(theirs)
        if isinstance(value, str) and value.strip():
            found[ours] = tidy(value)[:FACT_LIMIT]
        elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53:
            found[ours] = value
    return found
