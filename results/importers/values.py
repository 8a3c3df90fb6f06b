"""Names and numbers from strangers: what is let in, and what a reader is told of the rest."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

from results.records.records import Direction

NAME_LIMIT = 120
"""Longest name of an arm, workload or metric, in characters."""
LARGEST = 1e150
"""Beyond it, and below its inverse, a ratio leaves the range of a float."""

NS_PER: Mapping[str, float] = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(\.\d{3})*,\d+([eE][+-]?\d+)?", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}([,_' \u00a0\u202f]\d{3})+(\.\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity|na|n/a|null|none|#n/a)", re.IGNORECASE)
_TIMES = frozenset(
    {"ns", "us", "µs", "μs", "ms", "s", "sec", "secs", "second", "seconds"}
    | {"min", "minute", "minutes", "h", "hour", "hours", "d", "days"}
)

DIRECTIONS: Mapping[str, Direction] = {
    "higher": "higher",
    "lower": "lower",
    "higher is better": "higher",
    "lower is better": "lower",
    "more": "higher",
    "less": "lower",
}


def name_problem(text: str, limit: int = NAME_LIMIT) -> str:
    """Why ``text`` cannot be a name; empty where it can."""
    if not text:
        return "it is empty"
    if len(text) > limit:
        return f"{len(text)} characters, at most {limit}"
    strange = next((char for char in text if _is_strange(char)), None)
    return "" if strange is None else f"the character U+{ord(strange):04X} cannot be shown"


def _is_strange(char: str) -> bool:
    """Whether it reorders, hides or breaks a line of text."""
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}


def tidy(text: str) -> str:
    """``text`` from a program as a name: what cannot be shown replaced, cut to the limit."""
    line = " ".join(text.split())
    shown = (char if not _is_strange(char) else "\N{REPLACEMENT CHARACTER}" for char in line)
    return "".join(shown)[:NAME_LIMIT].strip()


def number(text: str) -> tuple[float, str]:
    """The value of a cell, and why it has none; the second is empty where it has one."""
    if _NUMBER.fullmatch(text):
        return float(text), ""
    if not text:
        return 0.0, "it is empty"
    if _NOT_FINITE.fullmatch(text):
        return 0.0, f"{text} is not a finite number"
    if _GROUPED.fullmatch(text):
        return 0.0, f"{text!r} may have its thousands set apart or a decimal comma: write 1234.5"
    if _DECIMAL_COMMA.fullmatch(text):
        return 0.0, f"{text!r} has a decimal comma: write it with a point"
    return 0.0, f"{text[:40]!r} is not a number"


def value_problem(value: float, unit: str) -> str:
    """Why ``value`` cannot be a measurement in ``unit``; empty where it can."""
    if not math.isfinite(value):
        return f"{value} is not a finite number"
    if value and not 1.0 / LARGEST <= abs(value) <= LARGEST:
        return f"{value:g} is beyond what can be compared (1e-150 to 1e150)"
    if value < 0 and is_time(unit):
        return f"{value:g} {unit} is a negative time: a failed measurement is no value"
    if value < 0 and unit.endswith("/s"):
        return f"{value:g} {unit} is a negative rate: a failed measurement is no value"
    return ""


def is_time(unit: str) -> bool:
    """Whether ``unit`` is one of time."""
    return unit.casefold() in _TIMES
