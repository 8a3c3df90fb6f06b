"""From what callers hold to checked trial-level values.

The trial is the unit of statistics: iterations inside a trial share its instance, its
memory layout and its moment, so they are averaged to one value per trial and never pooled
(Kalibera & Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013, section 6).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
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

LARGEST = 1e150
"""Beyond it, and below its inverse, a ratio or a square leaves the range of a float."""


def trial_values(data: Trials, argument: str) -> FloatArray:
    """One positive finite value per trial: the arithmetic mean of its iterations.

    Raises StatsError, with the argument and the index, for an empty argument or trial and
    for any value that is NaN, infinite, negative, zero or not a number.
    """
    array = _numeric_array(data)
    if array is None:
        rows = [
            _trial(entry, argument, trial) for trial, entry in enumerate(_listed(data, argument))
        ]
        array = np.array([_mean(row) for row in rows], dtype=np.float64)
    else:
        _refuse_unusable(array, argument)
        if array.ndim == 2 and array.shape[1]:
            array = array.mean(axis=1)
    if array.size == 0:
        raise StatsError("there are no values", argument=argument, hint="at least one trial")
    return array


def iteration_values(data: Trials, argument: str) -> tuple[FloatArray, ...]:
    """The checked iterations of every trial; a bare value is a trial of one iteration."""
    entries = _listed(data, argument)
    if not entries:
        raise StatsError("there are no values", argument=argument, hint="at least one trial")
    return tuple(
        np.array(_trial(entry, argument, trial), dtype=np.float64)
        for trial, entry in enumerate(entries)
    )


def series(data: Iterable[Any], argument: str) -> FloatArray:
    """A flat series of finite numbers of any sign, e.g. differences or iterations."""
    values = [
        _number(entry, argument, (place,)) for place, entry in enumerate(_listed(data, argument))
    ]
    return np.array(values, dtype=np.float64)


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
    usable = np.isfinite(array) & (array >= 1.0 / LARGEST) & (array <= LARGEST)
    if usable.all():
        return
    index = tuple(int(place) for place in np.argwhere(~usable)[0])
    _positive(float(array[index]), argument, index)


def _listed(data: Iterable[Any], argument: str) -> list[Any]:
    if isinstance(data, (str, bytes, bytearray, Mapping, AbstractSet)):
        raise StatsError(f"{type(data).__name__} is not a sequence of numbers", argument=argument)
    try:
        return list(data)
    except TypeError:
        raise StatsError(
            f"{type(data).__name__} is not a sequence of numbers", argument=argument
        ) from None


def _trial(entry: object, argument: str, trial: int) -> Sequence[float]:
    if isinstance(entry, Iterable) and not isinstance(entry, (str, bytes, bytearray)):
        if getattr(entry, "ndim", 1) == 0:
            return [_positive(entry, argument, (trial,))]
        values = [
            _positive(value, argument, (trial, iteration))
            for iteration, value in enumerate(_listed(entry, f"{argument}[{trial}]"))
        ]
        if not values:
            raise StatsError("the trial has no iterations", argument=argument, index=(trial,))
        return values
    return [_positive(entry, argument, (trial,))]


def _mean(row: Sequence[float]) -> float:
    return row[0] if len(row) == 1 else math.fsum(row) / len(row)


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
    if isinstance(value, (bool, np.bool_, str, bytes, complex, np.complexfloating)):
        raise StatsError(f"{value!r:.40} is not a number", argument=argument, index=index)
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever is no number raises
    except (TypeError, ValueError, OverflowError):
        raise StatsError(f"{value!r:.40} is not a number", argument=argument, index=index) from None
    if not math.isfinite(number):
        raise StatsError(f"{number} is not a finite number", argument=argument, index=index)
    return number
