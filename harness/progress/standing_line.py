"""Claims as they stand, on a line or a few: ``cpu-native ? −1.2…+0.9 %  net-small ✕ …``."""

from __future__ import annotations

from collections.abc import Sequence

from results.records.standings import Standing

MARKS = {"supported": "✓", "refuted": "✕", "mixed": "±", "inconclusive": "?"}
MANY = 2.0
"""From here on people think in times, not in per cent."""


def worded(one: Standing) -> str:
    """``cpu-native ? −1.2…+0.9 %``; with too few blocks for an interval ``≈ −0.3 %``."""
    head = f"{one.claim} {MARKS[one.verdict]}"
    if one.ratio is None:
        return head
    many = not 1 / MANY < one.ratio < MANY
    if one.low is None or one.high is None:
        return f"{head} ≈ {_size(one.ratio, many=many)}{'×' if many else ' %'}"
    ends = f"{_size(one.low, many=many)}…{_size(one.high, many=many)}"
    return f"{head} {ends}{'×' if many else ' %'}"


def lines(standings: Sequence[Standing], blocks: int, width: int) -> list[str]:
    """What there is to say after ``blocks`` blocks, broken between claims only."""
    found = [f"after {blocks} blocks:"]
    for each in standings or ():
        text = worded(each)
        longer = f"{found[-1]}  {text}"
        if len(longer) <= width:
            found[-1] = longer
        else:
            found.append(f"  {text}")
    if not standings:
        found[-1] += " no claim can be judged by this run"
    return found


def _size(ratio: float, *, many: bool) -> str:
    if many:
        return f"{ratio:.3g}"
    return f"{100 * (ratio - 1):+z.1f}".replace("-", "−")
