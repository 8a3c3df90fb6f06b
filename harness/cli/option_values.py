"""Values of options, as invoke hands them over: text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from harness.errors import UsageFault


@overload
def whole(option: str, given: str) -> int: ...
@overload
def whole(option: str, given: str | None) -> int | None: ...
def whole(option: str, given: str | None) -> int | None:
    """A whole number, or nothing.  Raises UsageFault."""
    if given is None:
        return None
    try:
        return int(given)
    except ValueError:
        raise UsageFault(f"{option} {given!r:.40} is not a whole number") from None


def share(option: str, given: str) -> float:
    """A number.  Raises UsageFault."""
    try:
        return float(given)
    except ValueError:
        raise UsageFault(f"{option} {given!r:.40} is not a number", hint="0.02 is 2 %") from None


def chosen(option: str, given: str, valid: Sequence[str]) -> str:
    """One of ``valid``.  Raises UsageFault."""
    if given not in valid:
        raise UsageFault(f"{option} {given!r:.40}: choose {' or '.join(filter(None, valid))}")
    return given


def writable(option: str, path: Path) -> None:
    """Say now, not after minutes, that a file cannot be written.  Raises UsageFault."""
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageFault(f"{option} {path}: cannot be written", hint="give a file in a directory")
