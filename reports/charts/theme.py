"""How charts look: roles instead of colours, so that light, dark and print are up to the page.

matplotlib is given sentinel colours; in the finished SVG each becomes a CSS variable.  The
palette itself (Okabe & Ito's, safe for colour-blind eyes) is in the page's style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.view.arms import SLOT_COUNT
from reports.view.startup import PHASES

INK, MUTED, GRID, SURFACE, BAND, ON_PHASE, FIELD, GAIN = (
    f"#fe01{number:02x}" for number in range(8)
)

VARIABLES: Mapping[str, str] = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    SURFACE: "var(--surface)",
    BAND: "var(--band)",
    ON_PHASE: "var(--on-phase)",
    FIELD: "var(--field)",
    GAIN: "var(--gain)",
    **{f"#fe00{slot:02x}": f"var(--arm-{slot})" for slot in range(SLOT_COUNT)},
    **{f"#fe02{phase:02x}": f"var(--phase-{phase})" for phase in range(len(PHASES))},
}

MARKERS = ("o", "D", "s", "^", "v", "P", "X", "p", "h", "<", ">", "d")
"""One per slot: shape carries what colour does, for print and for colour-blind readers."""

DPI = 72
"""SVG user units are then CSS pixels."""


def arm_colour(slot: int) -> str:
    """Sentinel of an arm's colour."""
    return f"#fe00{slot:02x}"


def phase_colour(index: int) -> str:
    """Sentinel of a phase's colour."""
    return f"#fe02{index:02x}"


@contextmanager
def style(salt: str) -> Iterator[None]:
    """matplotlib's settings for one figure.  ``salt`` makes its ids its own."""
    settings: Any = {
        "svg.hashsalt": salt,
        "svg.fonttype": "none",  # text stays text: selectable, small, in the page's font
        "text.parse_math": False,  # a "$" in somebody's name is a dollar sign
        "axes.unicode_minus": True,
        "font.family": ["DejaVu Sans"],
        "font.size": 12,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": INK,
        "axes.edgecolor": GRID,
        "figure.dpi": DPI,
        "path.simplify": True,
        "hatch.linewidth": 1.0,
    }
    with mpl.rc_context(settings):
        yield


def apart(axes: Axes, ticks: Sequence[float], least_px: float) -> list[float]:
    """Those of ``ticks`` whose labels do not touch: 1, and from it outwards whatever has room.

    The limits and the scale of ``axes`` have been set.
    """
    kept: dict[float, float] = {}
    for tick in sorted(ticks, key=lambda tick: (abs(math.log(tick)), tick)):
        x = float(axes.transData.transform((tick, 1.0))[0])
        if all(abs(x - other) >= least_px for other in kept.values()):
            kept[tick] = x
    return sorted(kept)


def figure(width_px: float, height_px: float) -> Figure:
    """An empty, transparent figure outside pyplot's registry."""
    made = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI)
    made.patch.set_visible(False)
    return made
