"""Errors of the harness, and what every error of this project has in common."""

from __future__ import annotations

from runtimes.printable import printable


class HarnessFault(Exception):
    """The harness cannot do what was asked.  The message says what, on what and why.

    Attributes:
        hint: the next step for the person reading it.
        tail: the last output of whatever failed.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", tail: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.tail = tail


class UsageFault(HarnessFault):
    """Something on the command line that does not exist or does not fit."""

    exit_code = 2


class BusyFault(HarnessFault):
    """Another run is measuring on this host."""

    exit_code = 4


def describe(error: BaseException) -> tuple[str, str, str]:
    """``(message, hint, tail)`` of any error, printable: ours carry a hint, others have none."""
    message = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        message = f"{error.filename}: {error.strerror}"
    hint, tail = str(getattr(error, "hint", "")), str(getattr(error, "tail", ""))
    return printable(message), printable(hint), printable(tail)
