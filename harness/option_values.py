"""Values of options, as invoke hands them over: text."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageFault


def whole(option: str, given: str | int | None) -> int | None:
    """A whole number, or nothing.  Raises UsageFault."""
    if given is None:
        return None
    try:
        return int(given)
    except ValueError:
        raise UsageFault(f"{option} {given!r} is not a whole number") from None


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
