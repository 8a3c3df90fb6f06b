"""What reading or writing results raises."""

from __future__ import annotations

PARTS_MISSING = 4
"""Exit status of ``python -m reports``: the page is written, and parts of it are missing."""


class StoreError(Exception):
    """A run's files could not be read or written.  The message names the file and the line.

    Attributes:
        hint: the next step for the person reading it; empty where there is none.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NoSuchRun(StoreError):
    """The command line names a run that is not there."""

    exit_code = 2


class Missing(StoreError):
    """A file of a run is not there."""
