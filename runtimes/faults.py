"""The one error of the runtimes: what could not be done, on what, why, and what to do next."""

from __future__ import annotations


class RuntimeFault(Exception):
    """Something a runtime could not do.  The message says what, on what and why.

    Attributes:
        hint: the next step for the person reading it; empty where there is none.
        tail: the last output of whatever failed; empty where there was none.
    """

    def __init__(self, message: str, *, hint: str = "", tail: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.tail = tail
