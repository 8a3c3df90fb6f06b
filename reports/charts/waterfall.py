"""The waterfall of a start: each mechanism a bar from where the one before it ended.

Two scales, for an engine takes a hundred times as long as what it is made of: above, the
mechanisms; below, engines.  A wedge shows that all that is above is the first bar below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator, NullLocator

from reports import text
from reports.charts import theme
from reports.charts.svg import Chart, Declined, Marks, in_two_widths, render, require_drawable
from reports.view.waterfall_rows import Fall, FallRow, signed

WIDE_PX, NARROW_PX = 960, 350
ROW_PX, NARROW_ROW_PX, BAR_PX = 25, 38, 13
HEAD_PX, GAP_PX, FOOT_PX = 8, 62, 30
STEPS_NS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
REST = "in no step"
OWN_SLOT, FIRST_SLOT = 2, 0
"""Colours of the in-repo runtime and of the bare host, as in every other chart."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows on one scale."""

    axes: Axes
    marks: Marks
    unit: str
    narrow: bool
    top: float
    """Where its first row begins, in pixels from the axes' top."""

    @property
    def row_px(self) -> int:
        """A narrow row has its words above its bar."""
        return NARROW_ROW_PX if self.narrow else ROW_PX


def waterfall_chart(fall: Fall, name: str) -> Chart | None:
    """The chart of one start-up metric; None without two rungs."""
    if len(fall.rows) < 2:
        return None
    title = f"{fall.title}: what each mechanism adds"
    description = " ".join(row.tip for row in fall.rows)
    said = (title, description)
    return in_two_widths(
        f"waterfall-{name}", said, lambda figure: _draw(figure, fall, said), "startup"
    )


def _draw(name: str, fall: Fall, said: tuple[str, str]) -> str:
    require_drawable(end for row in fall.rows for end in (row.begin, row.end, row.median))
    if min(row.median for row in fall.rows) <= 0:
        raise Declined("a step whose boxes took no time has no place in it.")
    narrow = name.endswith("narrow")
    own = [row for row in fall.rows if not row.tier]
    tiers = [row for row in fall.rows if row.tier]
    row_px = NARROW_ROW_PX if narrow else ROW_PX
    upper = HEAD_PX + (len(own) + 2) * row_px + FOOT_PX
    lower = (len(tiers) + 1) * row_px + FOOT_PX if tiers and own else 0
    height = upper + (GAP_PX + lower if lower else 0)
    left, right = (0.02, 0.98) if narrow else (0.20, 0.79)
    with theme.style(name):
        figure = theme.figure(NARROW_PX if narrow else WIDE_PX, height)
        marks = Marks()
        box = (left, 1 - upper / height, right - left, upper / height)
        above = Panel(figure.add_axes(box), marks, fall.unit, narrow, HEAD_PX)
        reach = _mechanisms(above, own, fall.rest, upper)
        if lower:
            box = (left, 0.0, right - left, (lower + GAP_PX) / height)
            below = Panel(figure.add_axes(box), marks, fall.unit, narrow, GAP_PX)
            _engines(below, own[-1], tiers, lower + GAP_PX, own[-1].median / reach)
        return render(figure, marks, name, *said)


def _mechanisms(panel: Panel, rows: Sequence[FallRow], rest: float, height: float) -> float:
    """The upper panel; returns where its scale ends."""
    stands = [reached for row in rows for reached in (row.end, row.median)]
    ends = [row.begin + row.change.high for row in rows if row.change and row.change.high]
    # One wild interval must not flatten everything else.
    reach = min(max(stands + ends), 1.5 * max(stands)) * 1.04
    _prepare(panel, reach, height, height - FOOT_PX)
    before: FallRow | None = None
    for index, row in enumerate(rows):
        _row(panel, row, before, index, reach)
        before = row
    if before is not None:
        _rest(panel, before, rest, len(rows), reach)
        _total(panel, before, "everything together", len(rows) + 1)
    return reach


def _engines(
    panel: Panel, whole: FallRow, tiers: Sequence[FallRow], height: float, share: float
) -> None:
    """The lower panel, with the wedge from the whole of the upper one to its bar here."""
    reach = max(row.median for row in (whole, *tiers)) * 1.04
    _prepare(panel, reach, height, height - FOOT_PX, top=GAP_PX)
    foot = panel.top + _bar_top(panel)
    wedge = [(0, 0), (share * reach, 0), (whole.median, foot), (0, foot)]
    panel.axes.add_patch(Polygon(wedge, closed=True, color=theme.BAND, linewidth=0, zorder=0.5))
    words = "all of the above, on the scale of whole engines ↓"
    panel.axes.text(
        *(0.012 * reach, 15, words),
        va="center",
        fontsize=10.5 if panel.narrow else 11,
        color=theme.MUTED,
    )
    _total(panel, whole, "everything together", 0)
    before = whole
    for index, row in enumerate(tiers, 1):
        _row(panel, row, before, index, reach)
        before = row


def _prepare(panel: Panel, reach: float, height: float, bottom: float, top: float = 0.0) -> None:
    axes = panel.axes
    axes.set_xlim(0, reach)
    axes.set_ylim(height, 0)
    axes.set_zorder(1 if top else 2)
    axes.patch.set_visible(False)
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines[:].set_visible(False)
    ticks = MaxNLocator(4 if panel.narrow else 7).tick_values(0, reach)
    for tick in (float(tick) for tick in ticks if 0 <= tick <= reach):
        colour = theme.MUTED if tick == 0 else theme.GRID
        axes.plot([tick, tick], [top, bottom], color=colour, lw=1, zorder=0.8)
        side = "left" if tick == 0 else "center" if tick < 0.93 * reach else "right"
        said = "0" if tick == 0 else _tick(tick, reach, panel.unit)
        axes.text(tick, bottom + 15, said, ha=side, va="center", fontsize=11, color=theme.MUTED)


def _tick(value: float, reach: float, unit: str) -> str:
    """``0.8 ms`` rather than ``800 µs`` on an axis of milliseconds."""
    if unit != "ns":
        return text.quantity(value, unit)
    factor, name = next((each for each in STEPS_NS if reach >= each[0]), STEPS_NS[-1])
    return f"{value / factor:g} {name}"


def _bar_top(panel: Panel) -> float:
    return 19.0 if panel.narrow else (ROW_PX - BAR_PX) / 2


def _row(panel: Panel, row: FallRow, before: FallRow | None, index: int, reach: float) -> None:
    start = row.begin
    low, high = sorted((start, row.end))
    y = panel.top + index * panel.row_px + _bar_top(panel)
    colour = _colour(row)
    told = row.finding not in {"unclear", "few"}
    least = 0.003 * reach if told else 0.011 * reach  # a hollow bar shows only if it has an inside
    drawn = panel.axes.barh(
        *(y + BAR_PX / 2, max(high - low, least)),
        left=low if high - low >= least else (low + high - least) / 2,
        height=BAR_PX,
        color=colour if told else theme.SURFACE,
        edgecolor=colour,
        linewidth=1.3,
        linestyle="-" if told else (0, (2, 1.4)),
        zorder=2,
    )
    panel.marks.add(drawn.patches[0], _key(row), row.tip)
    if before:
        above = y - panel.row_px + BAR_PX
        panel.axes.plot([start, start], [above, y], color=theme.MUTED, lw=0.9, zorder=1.5)
        _whisker(panel, row, start, y + BAR_PX / 2, reach)
    label = f"{row.label} ({row.together} steps)" if row.together > 1 else row.label
    _words(panel, label, row.figure, row.ends, y, told=told)


def _rest(panel: Panel, last: FallRow, rest: float, index: int, reach: float) -> None:
    """Steps are estimated within blocks, the whole is a median: they seldom agree to the last."""
    y = panel.top + index * panel.row_px + _bar_top(panel)
    low, high = sorted((last.end, last.end + rest))
    least = 0.003 * reach
    drawn = panel.axes.barh(
        *(y + BAR_PX / 2, max(high - low, least)),
        left=low,
        height=BAR_PX,
        color=theme.BAND,
        edgecolor=theme.MUTED,
        linewidth=1.0,
        zorder=2,
    )
    said = signed(rest, panel.unit)
    panel.marks.add(drawn.patches[0], "step", f"{REST}: {said} to the median of the whole")
    above = y - panel.row_px + BAR_PX
    panel.axes.plot([last.end, last.end], [above, y], color=theme.MUTED, lw=0.9, zorder=1.5)
    _words(panel, REST, said, "", y, told=False)


def _whisker(panel: Panel, row: FallRow, start: float, y: float, reach: float) -> None:
    """The interval of the change, from where the bar begins."""
    change = row.change
    if change is None or change.low is None or change.high is None:
        return
    ends = [min(max(start + end, 0.0), reach) for end in (change.low, change.high)]
    drawn = panel.axes.plot(ends, [y, y], color=theme.INK, lw=1.4, zorder=3)
    panel.marks.add(drawn[0], _key(row), row.tip)
    for end in ends:
        panel.axes.plot([end, end], [y - 3.5, y + 3.5], color=theme.INK, lw=1.4, zorder=3)


def _total(panel: Panel, row: FallRow, label: str, index: int) -> None:
    y = panel.top + index * panel.row_px + _bar_top(panel)
    colour = theme.arm_colour(OWN_SLOT)
    drawn = panel.axes.barh(
        y + BAR_PX / 2, row.median, height=BAR_PX, color=colour, linewidth=0, zorder=2
    )
    said = text.quantity(row.median, panel.unit)
    panel.marks.add(drawn.patches[0], _key(row), f"{label}: {said}, median of its trials")
    _words(panel, label, said, "", y, strong=True)


def _words(
    panel: Panel,
    label: str,
    figure: str,
    ends: str,
    y: float,
    *,
    strong: bool = False,
    told: bool = True,
) -> None:
    across = panel.axes.get_yaxis_transform()
    weight = "bold" if strong else "normal"
    heavy, ink = ("bold", theme.INK) if told else ("normal", theme.MUTED)
    if panel.narrow:
        box = {"facecolor": theme.SURFACE, "edgecolor": "none", "pad": 0.6}
        at = y - 9.5
        panel.axes.text(
            *(0, at, label), transform=across, va="center", fontsize=11, weight=weight, bbox=box
        )
        panel.axes.text(
            *(1, at, figure),
            transform=across,
            ha="right",
            va="center",
            fontsize=11,
            bbox=box,
            fontweight=heavy,
            color=ink,
        )
        return
    middle = y + BAR_PX / 2
    panel.axes.text(
        *(-0.012, middle, label), transform=across, ha="right", va="center", weight=weight
    )
    panel.axes.text(
        *(1.012, middle, figure), transform=across, va="center", fontweight=heavy, color=ink
    )
    if ends:
        panel.axes.text(
            *(1.145, middle, ends), transform=across, va="center", fontsize=10.5, color=theme.MUTED
        )


def _colour(row: FallRow) -> str:
    if row.tier and row.slot is not None:
        return theme.arm_colour(row.slot)
    if row.finding == "first":
        return theme.arm_colour(FIRST_SLOT)
    return theme.GAIN if row.finding == "saves" else theme.arm_colour(OWN_SLOT)


def _key(row: FallRow) -> str:
    """Rungs that the page's legend does not name cannot be switched off by it."""
    return "step" if row.slot is None else f"a{row.slot}"
