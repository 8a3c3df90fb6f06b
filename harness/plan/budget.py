"""``--budget TIME``: how long a run may measure."""

from __future__ import annotations

import re

from harness.errors import UsageFault

MOST_BLOCKS = 100
"""In a run with a budget, unless ``--blocks`` says otherwise: more would put off the first look."""
FEWEST_BLOCKS = 5
"""Fewer give no interval, so no look could decide anything."""
LONGEST_S = 30 * 86400.0

_TIME = re.compile(
    r"(?:(\d{1,9})\s*d)?\s*(?:(\d{1,9})\s*h)?\s*(?:(\d{1,9})\s*m(?:in)?)?\s*(?:(\d{1,9})\s*s)?",
    re.ASCII,
)
_SECONDS = (86400, 3600, 60, 1)


def parse_budget(text: str) -> float:
    """``10m``, ``2h``, ``1h30m``, ``90s`` or ``90`` → seconds.

    Raises:
        UsageFault: it is no time, or none that a run could have.
    """
    given = text.strip().lower()
    match = _TIME.fullmatch(f"{given}s" if re.fullmatch(r"[0-9]{1,9}", given) else given)
    if match is None or not any(match.groups()):
        raise UsageFault(
            f"--budget {text!r:.60} is not a time", hint="write it as 10m, 2h, 1h30m or 90s"
        )
    parts = zip(match.groups(), _SECONDS, strict=True)
    seconds = float(sum(int(part) * unit for part, unit in parts if part))
    if not 0.0 < seconds <= LONGEST_S:
        raise UsageFault(f"--budget {text:.60} is not between a second and 30 days")
    return seconds


def most_blocks(blocks: int | None) -> int:
    """The most blocks of a run with a budget.

    Raises:
        UsageFault: so few that nothing could be settled.
    """
    if blocks is not None and blocks < FEWEST_BLOCKS:
        raise UsageFault(
            f"--blocks {blocks} with a budget is fewer than any claim can be settled by",
            hint=f"at least {FEWEST_BLOCKS}, or leave --budget out for a fixed number",
        )
    return MOST_BLOCKS if blocks is None else blocks
