"""Numbers as they stand in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

SPACE = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, so that no line ends between them."""

_STEPS = {
    "ns": ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")),
    "B": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
    "B/s": ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")),
    "bit/s": ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s")),
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
}


def number(value: float) -> str:
    """Three significant digits, without an exponent where people read none."""
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.2e}"
    if size >= 99.95:
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"


def quantity(value: float, unit: str) -> str:
    """``12.4 ms``, ``9.2 MiB``, ``48 210 per second``."""
    if unit == "1/s":
        return f"{number(value)}{SPACE}per second"
    for factor, label in _STEPS.get(unit, ()):
        if abs(value) >= factor * 0.9995 or factor == _STEPS[unit][-1][0]:
            return f"{number(value / factor)}{SPACE}{label}"
    return number(value) if unit in {"", "1"} else f"{number(value)}{SPACE}{unit}"


def percent(share: float) -> str:
    """``0.43 %``, ``2 %``, ``21 %``: two digits that matter."""
    size = 100.0 * abs(share)
    digits = 0 if size >= 9.95 else 1 if size >= 0.995 else 2
    shown = f"{100.0 * share:z,.{digits}f}".removesuffix(".0")
    return shown.replace(",", "\N{NARROW NO-BREAK SPACE}") + f"{SPACE}%"


def duration(seconds: float) -> str:
    """``40 seconds``, ``4 minutes``, ``2.5 hours``: as exact as a forecast is."""
    if seconds < 90.0:
        size, unit = max(1, round(seconds)), "second"
    elif seconds < 5400.0:
        size, unit = round(seconds / 60.0), "minute"
    else:
        return f"{number(round(seconds / 3600.0, 1))}{SPACE}hours"
    return f"{size}{SPACE}{unit}{'' if size == 1 else 's'}"


def cost(blocks: int, seconds: float | None) -> str:
    """``about 12 more blocks (4 minutes)``: what would settle something."""
    time = f" ({duration(seconds)})" if seconds is not None else ""
    return f"about {number(blocks)} more {'block' if blocks == 1 else 'blocks'}{time}"


def times(ratio: float) -> str:
    """``12.6 times``, ``1.04 times``, ``0.031 times``."""
    return f"{number(ratio)}{SPACE}times"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    unique = list(dict.fromkeys(words))
    if len(unique) < 2:
        return "".join(unique)
    return f"{', '.join(unique[:-1])} and {unique[-1]}"


def sentence(words: str) -> str:
    """With a capital at its beginning and a full stop at its end."""
    said = words.strip()
    if not said:
        return ""
    return said[:1].upper() + said[1:] + ("" if said.endswith((".", "!", "?", "…")) else ".")
