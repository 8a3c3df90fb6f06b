"""What the statistics refuse, said precisely enough to mend the input."""

from __future__ import annotations


class StatsError(ValueError):
    """An argument that no honest figure can be computed from.

    ``argument`` is the parameter's name, ``index`` the place inside it: ``(trial,)``,
    ``(trial, iteration)`` or empty where the whole argument is wrong; counted from 0.
    Data that are merely *too few* are never an error: they give a declined interval.
    """

    def __init__(
        self, problem: str, *, argument: str, index: tuple[int, ...] = (), hint: str = ""
    ) -> None:
        place = argument + "".join(f"[{position}]" for position in index)
        super().__init__(f"{place}: {problem}" + (f" ({hint})" if hint else ""))
        self.argument = argument
        self.index = index
        self.hint = hint
