"""What became of each setting, and the same gathered for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["changed", "already", "restored", "refused", "gone", "absent"]


@dataclass(frozen=True, slots=True)
class Change:
    """One file, or several that fared alike."""

    subject: str
    state: State
    was: str
    now: str
    why: str
    """Empty where it went as wanted."""
    paths: tuple[str, ...]


def summarised(changes: Sequence[Change]) -> list[Change]:
    """One line for all that have everything but their path in common, in order."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for each in changes:
        key = (each.subject, each.state, each.was, each.now, each.why)
        lines.setdefault(key, []).extend(each.paths)
    return [
        Change(subject, state, was, now, why, tuple(paths))  # type: ignore[arg-type]
        for (subject, state, was, now, why), paths in lines.items()
    ]
