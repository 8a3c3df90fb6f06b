"""Bugs of the report's own: one in a part leaves a sentence in its place, and the rest stands.

A run took hours; a figure that we fail to draw must not cost its reader all the others.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Fault:
    """A part that could not be made."""

    sections: tuple[str, ...]
    """Where it is missing."""
    what: str
    """The error, and the line of ours that it comes from."""

    @property
    def sentence(self) -> str:
        """For the reader of the page."""
        return (
            "This could not be shown: an error of tarebench’s own, not of the run. The data are "
            f"whole and the rest of the page stands. Please report it with the run: {self.what}"
        )


@dataclass(slots=True)
class Faults:
    """Makes parts of a page; collects those that could not be made."""

    strict: bool = False
    """Let errors through, as a test wants them."""
    found: list[Fault] = field(default_factory=list)

    def make(self, sections: str, build: Callable[[], T], otherwise: U) -> T | U:
        """What ``build`` gives, or ``otherwise`` where it fails.

        Args:
            sections: names of those that lack something without it, apart by blanks.
            build: makes the part.
            otherwise: what the rest of the page goes on with.
        """
        try:
            return build()
        except Exception as error:
            if self.strict:
                raise
            self.found.append(Fault(tuple(sections.split()), _told(error)))
            return otherwise

    def of(self, section: str) -> tuple[Fault, ...]:
        """What is missing in a section."""
        return tuple(fault for fault in self.found if section in fault.sections)


def _told(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} in {place}: {str(error)[:300]}"
