"""From a matplotlib figure to an SVG element that can stand in an HTML page.

Ids and references get the chart's prefix, sentinel colours become CSS variables, the marks get
their data attributes and a ``<title>`` (a tooltip that needs no script), and whatever would
leak into the page or name another host (style element, metadata, namespaces) is dropped.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from reports.charts.theme import VARIABLES

_COLOUR = re.compile("|".join(map(re.escape, VARIABLES)))
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
LARGEST = 1e100
"""No axis goes further: the transforms of matplotlib overflow from about 1e154 on."""
_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, slots=True)
class Chart:
    """A finished chart, in two widths of which the page shows the one that fits."""

    name: str
    title: str
    description: str
    """What a reader who cannot see it should know."""
    wide: str
    narrow: str
    resource: str = ""
    """What it is about, for the page's filter; empty where it is about several."""
    declined: str = ""
    """A sentence that stands in its place; empty where it is drawn."""


class Declined(Exception):
    """These values cannot be drawn; says why, in a sentence."""


def in_two_widths(
    name: str, said: tuple[str, str], draw: Callable[[str], str], resource: str = ""
) -> Chart:
    """The chart called ``name``, in both widths; a sentence in its place where ``draw`` declines.

    Args:
        name: of the chart; the figures' names add ``-wide`` and ``-narrow``.
        said: title and description.
        draw: figure's name → SVG.
        resource: as of ``Chart``.
    """
    title, description = said
    try:
        wide, narrow = (draw(f"{name}-{size}") for size in ("wide", "narrow"))
    except Declined as why:
        return Chart(name, title, description, "", "", resource, f"{title}: {why}")
    return Chart(name, title, description, wide, narrow, resource)


def require_drawable(values: Iterable[float], *, logarithmic: bool = False) -> None:
    """Decline what an axis cannot hold.

    Raises:
        Declined: a value is not finite, beyond ``LARGEST``, or below ``1 / LARGEST`` on a
            logarithmic axis.
    """
    for value in values:
        if not abs(value) <= LARGEST:
            raise Declined(f"a value of {value:.3g} is beyond what can be drawn.")
        if logarithmic and value < 1 / LARGEST:
            raise Declined(f"a value of {value:.3g} has no place on a logarithmic axis.")


@dataclass(slots=True)
class Marks:
    """What the parts of one figure stand for: artist id → tooltip and arm."""

    tips: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, artist: Artist, arm: str, tip: str) -> None:
        """Make ``artist`` a mark of ``arm`` (its CSS key) that says ``tip``."""
        gid = f"mark-{len(self.tips)}"
        artist.set_gid(gid)
        self.tips[gid] = (arm, tip)


def render(figure: Figure, marks: Marks, prefix: str, title: str, description: str) -> str:
    """The figure as an ``<svg>`` element, escaped, with ids that begin with ``prefix``."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # Only the layout's width estimate lacks the glyph; the browser has its own fonts.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font")
        # matplotlib goes on with infinities where a scale leaves an axis no length.
        warnings.filterwarnings(
            "error", message="(divide by zero|overflow|invalid value) encountered"
        )
        try:
            figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
        except RuntimeWarning:
            raise Declined("these values leave an axis no length.") from None
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 — matplotlib's own output
    _strip(root)
    for element in root.iter():
        _rewrite(element, prefix, marks.tips)
    _announce(root, prefix, title, description)
    return ET.tostring(root, encoding="unicode")


def _strip(root: ET.Element) -> None:
    """Drop metadata and style sheets, and every namespace."""
    for parent in root.iter():
        for child in list(parent):
            if child.tag.removeprefix(_SVG) in {"metadata", "style"}:
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in list(element.attrib):
            if name.startswith("{"):
                element.set(name.rpartition("}")[2], element.attrib.pop(name))


def _rewrite(element: ET.Element, prefix: str, tips: Mapping[str, tuple[str, str]]) -> None:
    identity = element.get("id", "")
    if identity in tips:
        arm, tip = tips[identity]
        element.set("class", "mark")
        element.set("data-arm", arm)
        title = ET.Element("title")
        title.text = tip
        element.insert(0, title)
    for name, value in element.attrib.items():
        if name == "id":
            element.set(name, f"{prefix}-{value}")
        elif name == "href":
            element.set(name, f"#{prefix}-{value.removeprefix('#')}")
        else:
            coloured = _COLOUR.sub(lambda found: VARIABLES[found[0]], value)
            element.set(name, _REFERENCE.sub(rf"url(#{prefix}-\1)", coloured))


def _announce(root: ET.Element, prefix: str, title: str, description: str) -> None:
    for name, text in (("desc", description), ("title", title)):
        element = ET.Element(name, {"id": f"{prefix}-{name}"})
        element.text = text
        root.insert(0, element)
    root.attrib = {
        "class": "chart",
        "viewBox": root.get("viewBox", "0 0 1 1"),
        "width": root.get("width", "1").removesuffix("pt"),
        "height": root.get("height", "1").removesuffix("pt"),
        "role": "img",
        "aria-labelledby": f"{prefix}-title {prefix}-desc",
    }
