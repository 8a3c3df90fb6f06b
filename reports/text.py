"""Numbers and strings for people: units, percentages, and text that is safe to set anywhere."""

from __future__ import annotations

import math

from runtimes.printable import printable

NOTHING = "–"
"""What an empty cell holds."""

NAME_LIMIT = 48

_STEPS_NS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_STEPS_BYTES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1.0, "B"))
_STEPS_RATE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def clean(text: str, limit: int = 4096) -> str:
    """``printable`` text cut at ``limit`` characters: nothing that XML forbids or reorders a line.

    Newlines and tabs stay.  Quoting is not done here: that is the template's and the SVG
    writer's part.
    """
    kept = printable(text[: limit + 1])
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def name(text: str, limit: int = NAME_LIMIT) -> str:
    """``clean`` text on one line, short enough for a label."""
    return clean(" ".join(clean(text).split()), limit) or NOTHING


def number(value: float) -> str:
    """Three significant digits, thousands set apart: ``0.873``, ``12.4``, ``48 210``."""
    if not math.isfinite(value):
        return NOTHING
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.2e}"
    if size >= 100:
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    rounded = float(f"{size:.2e}")  # 0.9996 has the decimals of 1.00
    decimals = 0 if rounded == 0 else max(0, 2 - math.floor(math.log10(rounded)))
    return f"{value:.{decimals}f}"


def quantity(value: float, unit: str) -> str:
    """``value`` in ``unit``, scaled to a size that reads well: ``12.4 ms``, ``9.20 MiB``."""
    if not math.isfinite(value):
        return NOTHING
    if unit == "ns":
        return _scaled(value, _STEPS_NS, "")
    if unit == "B":
        return _scaled(value, _STEPS_BYTES, "")
    if unit in {"B/s", "bit/s", "1/s", "Hz"}:
        suffix = "/s" if unit == "1/s" else unit
        small = unit == "1/s" and abs(value) < 1e6  # "48 210 /s" reads better than "48.2 k/s"
        return f"{number(value)} /s" if small else _scaled(value, _STEPS_RATE, suffix)
    if unit in {"", "1"}:
        return f"{value:.0f}" if value == round(value) and abs(value) < 1e4 else number(value)
    return f"{number(value)} {name(unit, 12)}"


def _scaled(value: float, steps: tuple[tuple[float, str], ...], suffix: str) -> str:
    for factor, label in steps:
        # 0.9995 of a step already rounds to it.
        if abs(value) >= factor * 0.9995 or factor == 1.0:
            return f"{number(value / factor)} {label}{suffix}"
    raise AssertionError  # the last step is 1.0


def percent(ratio: float, digits: int = 0) -> str:
    """A share as a percentage: ``77 %``; more digits close to 100, where they matter."""
    if not math.isfinite(ratio):
        return NOTHING
    share = 100 * ratio
    if digits and abs(share) >= 20:
        digits = 0  # a tenth of a per cent tells nothing any more
    if not digits and abs(share - round(share)) > 1e-9 and (95 <= share <= 105 or share < 1):
        digits = 1
    return f"{share:,.{digits}f} %".replace(",", "\N{NARROW NO-BREAK SPACE}")


def span(low: float, high: float) -> str:
    """Two shares as one range: ``77 – 86 %``; as one figure where they read the same."""
    first, last = percent(low), percent(high)
    return last if first == last else f"{first.removesuffix(' %')} – {last}"


def sentence(words: str, limit: int = 300) -> str:
    """``clean`` words with a capital at the beginning and a full stop at the end."""
    cleaned = clean(words.strip(), limit)
    if not cleaned:
        return ""
    stop = "" if cleaned.endswith((".", "…", "!", "?")) else "."
    return f"{cleaned[:1].upper()}{cleaned[1:]}{stop}"


def times(ratio: float) -> str:
    """A ratio as a factor: ``0.982×``, ``0.0603×``, ``55.2×``."""
    if not math.isfinite(ratio) or ratio <= 0:
        return NOTHING
    if 0.1 <= ratio < 2:
        return f"{ratio:.3f}×"
    return f"{number(ratio)}×"


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return (
        words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
    )


_WORDS = {
    "pss": "memory (PSS)",
    "cgroup": "memory (cgroup)",
    "available": "fall of available memory",
    "daemon": "growth of the daemons",
    "unexplained": "memory not explained",
    "http": "HTTP",
}
_WHICH = {"marginal": "each further one", "first": "the first one"}


def heading(metric: str) -> str:
    """A metric's name as words: ``latency_p99_ns`` → ``latency p99``.  The unit stands elsewhere.

    Of a footprint's parts, ``pss_bytes_marginal``, the second is set off by a comma.
    """
    quantity, _, which = metric.partition("_bytes_")
    if which in _WHICH:
        return f"{heading(quantity)}, {_WHICH[which]}"
    words = metric.removesuffix("_marginal").removesuffix("_bytes").removesuffix("_ns").split("_")
    return name(" ".join(_WORDS.get(word, word) for word in words))
