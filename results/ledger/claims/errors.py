"""The one error of reading a ledger."""

from __future__ import annotations


class LedgerError(Exception):
    """A ledger that cannot be used; the message names file, line and key.

    Attributes:
        hint: the next step for the person reading it.
        exit_code: of the command line: something given does not fit.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
