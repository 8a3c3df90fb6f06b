"""From what callers hold to checked trial-level values.

The trial is the unit of statistics: iterations inside a trial share its instance, its
memory layout and its moment, so they are averaged to one value per trial and never pooled
(Kalibera & Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013, section 6).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from results.stats.errors import StatsError

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.intp]
Trials: TypeAlias = Iterable[Any]
"""Trial-level values, or one iterable of iterations per trial; ragged is fine.

Lists, tuples, numpy arrays (one or two dimensions) and pandas Series all do.
"""

PLAIN = frozenset({float, np.float64, np.int64})
"""Types that need no look one by one; bool, str and None are not among them.

Nor is int, which may be too large for a float.
"""
LARGEST = 1e150
"""Beyond it, and below its inverse, a ratio or a square leaves the range of a float."""


def trial_values(data: Trials, argument: str) -> FloatArray:
    """One positive finite value per trial: the arithmetic mean of its iterations.

    Raises StatsError, with the argument and the index, for an empty argument or trial and
    for any value that is NaN, infinite, negative, zero or not a number.
    """
    array = _numeric_array(data)
    if array is not None:
        _refuse_unusable(array, argument)
        return array if array.ndim == 1 else np.asarray(array.mean(axis=1))
    values, counts = _flat(data, argument)
    if values.size == counts.size:
        return values
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    means: FloatArray = np.add.reduceat(values, starts) / counts
    return means


def fraction(value: object, argument: str) -> float:
    """A number strictly between 0 and 1, such as a margin or a confidence."""
    number = _number(value, argument, ())
    if not 0.0 < number < 1.0:
        raise StatsError(f"{number:g} is outside (0, 1)", argument=argument)
    return number


def _numeric_array(data: Trials) -> FloatArray | None:
    """The fast path: arrays and Series of plain numbers; None where a closer look is due."""
    if isinstance(data, np.ma.MaskedArray) or not hasattr(data, "dtype"):
        return None
    array = np.asarray(data)
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or not array.size:
        return None
    return array.astype(np.float64)


def _refuse_unusable(array: FloatArray, argument: str) -> None:
    usable = _usable(array)
    if not usable.all():
        index = tuple(int(place) for place in np.argwhere(~usable)[0])
        _positive(float(array[index]), argument, index)


def _usable(array: FloatArray) -> npt.NDArray[np.bool_]:
    # NaN compares false with everything.
    return (array >= 1.0 / LARGEST) & (array <= LARGEST)


def _flat(data: Trials, argument: str) -> tuple[FloatArray, IntArray]:
    """All iterations one after the other, and how many each trial has."""
    entries = _listed(data, argument)
    if not entries:
        raise StatsError("there are no values", argument=argument, hint="at least one trial")
    rows = [_row(entry, argument, trial) for trial, entry in enumerate(entries)]
    flat = list(chain.from_iterable(rows))
    if set(map(type, flat)) <= PLAIN:
        values = np.array(flat, dtype=np.float64)
        if _usable(values).all():
            return values, np.array([len(row) for row in rows], dtype=np.intp)
    checked = [
        _positive(value, argument, (trial, iteration) if _is_nested(entries[trial]) else (trial,))
        for trial, row in enumerate(rows)
        for iteration, value in enumerate(row)
    ]
    return np.array(checked), np.array([len(row) for row in rows], dtype=np.intp)


def _row(entry: object, argument: str, trial: int) -> list[Any]:
    if not _is_nested(entry):
        return [entry]
    row = (
        list(entry) if isinstance(entry, (list, tuple)) else _listed(entry, f"{argument}[{trial}]")
    )
    if not row:
        raise StatsError("the trial has no iterations", argument=argument, index=(trial,))
    return row


def _is_nested(entry: object) -> bool:
    if isinstance(entry, (list, tuple)):
        return True
    scalar = getattr(entry, "ndim", 1) == 0 or isinstance(entry, (str, bytes, bytearray))
    return isinstance(entry, Iterable) and not scalar


def _listed(data: object, argument: str) -> list[Any]:
    unordered = isinstance(data, (str, bytes, bytearray, Mapping, AbstractSet))
    if unordered or not isinstance(data, Iterable) or getattr(data, "ndim", 1) == 0:
        raise StatsError(f"{type(data).__name__} is not a sequence of numbers", argument=argument)
    return list(data)


def _positive(value: object, argument: str, index: tuple[int, ...]) -> float:
    number = _number(value, argument, index)
    if number < 0:
        raise StatsError(
            f"{number:g} is negative",
            argument=argument,
            index=index,
            hint="a failed measurement is an error, not a value",
        )
    if number == 0:
        raise StatsError(
            "the value is zero",
            argument=argument,
            index=index,
            hint="a ratio to zero has no meaning",
        )
    if not 1.0 / LARGEST <= number <= LARGEST:
        raise StatsError(
            f"{number:g} is outside [{1.0 / LARGEST:g}, {LARGEST:g}]",
            argument=argument,
            index=index,
            hint="use another unit",
        )
    return number


def _number(value: object, argument: str, index: tuple[int, ...]) -> float:
    alien = isinstance(value, (bool, np.bool_, str, bytes, complex, np.complexfloating))
    if alien or value is np.ma.masked or isinstance(value, np.ndarray):
        raise StatsError(f"{value!r:.40} is not a number", argument=argument, index=index)
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever is no number raises
    except (TypeError, ValueError, OverflowError):
        raise StatsError(f"{value!r:.40} is not a number", argument=argument, index=index) from None
    if not math.isfinite(number):
        raise StatsError(f"{number} is not a finite number", argument=argument, index=index)
    return number


def middle(values: npt.NDArray[np.float64]) -> float:
    """The median of ``values``, not empty.  Halves before it adds: no two of them overflow."""
    ordered = np.sort(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[half])
    return float(ordered[half - 1]) / 2 + float(ordered[half]) / 2
