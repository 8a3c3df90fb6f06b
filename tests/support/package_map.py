"""The picture of the packages and of a trial's way through them, drawn from the imports.

``python -m tests.support.package_map`` writes docs/map.svg anew; a test holds the two together.

In each top package a row imports only from rows below it.  An arrow is an import; one that follows
from others (A imports B, B imports C, A imports C) is left out.  Nodes are packages, and the few
modules that others of their package stand on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import grimp

PROJECT = Path(__file__).parents[2]
PICTURE = PROJECT / "docs" / "map.svg"
TOP = ("harness", "reports", "runtimes", "workloads", "results")
MODULES = {
    "runtimes.base",
    "runtimes.native",
    "runtimes.registry",
    "workloads.base",
    "workloads.registry",
    "results.frame",
}
"""Modules that are drawn although they are no packages."""
WAY: Mapping[str, Sequence[int]] = {
    "harness.cli": (1,),
    "harness.plan": (2,),
    "harness.prepare": (3,),
    "harness.run": (4,),
    "harness.trial": (5,),
    "runtimes.base": (6,),
    "runtimes.agent": (7,),
    "workloads.base": (8,),
    "harness.gates": (9,),
    "results.store": (10,),
    "results.gating": (11,),
    "results.ledger": (12,),
    "reports.view": (13,),
    "reports.charts": (14,),
}
"""Steps of a trial's way, as docs/architecture.md tells them."""

HIGH, ROW, GAP, PAD, TITLE, LETTER, BEND = 26, 62, 14, 16, 30, 7.3, 10
Edges = frozenset[tuple[str, str]]


@dataclass(slots=True)
class Picture:
    """One top package: its nodes in rows, with the imports between them."""

    name: str
    rows: list[list[str]]
    links: list[tuple[str, str]]
    """Between neighbouring rows; a longer import passes through a node without a name."""
    middles: dict[str, float] = field(default_factory=dict)
    """Node → x of its middle, from the left edge."""

    @property
    def width(self) -> float:
        """In pixels, with its margins."""
        return max(sum(map(wide, row)) + GAP * (len(row) - 1) for row in self.rows) + 2 * PAD

    @property
    def height(self) -> float:
        """In pixels, with its title."""
        return TITLE + ROW * (len(self.rows) - 1) + HIGH + PAD


def wide(node: str) -> float:
    """Width of a node in pixels; one that an import only passes through is narrow."""
    return 6.0 if ">" in node else LETTER * len(short(node)) + 20


def short(node: str) -> str:
    """A package's name without that of the one it is in."""
    return node.rpartition(".")[2]


def imports(top: str, graph: grimp.ImportGraph) -> tuple[set[str], Edges]:
    """Nodes of a top package, and which imports which."""
    children = graph.find_children(top)
    nodes = {each for each in children if graph.find_children(each) or each in MODULES}
    pairs = {
        (a, b)
        for a in nodes
        for b in nodes - {a}
        if graph.direct_import_exists(importer=a, imported=b, as_packages=True)
    }
    return nodes, frozenset(pairs)


def reduced(edges: Edges) -> Edges:
    """Without what follows from the others; there are no cycles."""
    below: dict[str, set[str]] = {a: {b for x, b in edges if x == a} for a, _ in edges}

    def reach(node: str) -> set[str]:
        direct = below.get(node, set())
        return direct.union(*map(reach, direct))

    return frozenset((a, b) for a, b in edges if not any(b in reach(c) for c in below[a] - {b}))


def ranks(nodes: Iterable[str], edges: Edges) -> dict[str, int]:
    """Node → row, 0 at the top: just above the highest of what it imports."""

    def depth(node: str) -> int:
        return max((depth(b) + 1 for a, b in edges if a == node), default=0)

    depths = {node: depth(node) for node in sorted(nodes)}
    highest = max(depths.values())
    return {node: highest - each for node, each in depths.items()}


def laid_out(top: str, graph: grimp.ImportGraph) -> Picture:
    """One top package in rows, each node near what imports it."""
    nodes, edges = imports(top, graph)
    edges = reduced(edges)
    row_of = ranks(nodes, edges)
    links: list[tuple[str, str]] = []
    for a, b in sorted(edges):
        chain = [a, *(f"{a}>{b}:{row}" for row in range(row_of[a] + 1, row_of[b])), b]
        row_of |= {each: row_of[a] + n for n, each in enumerate(chain[:-1])}
        links += itertools.pairwise(chain)
    rows = [sorted(n for n in row_of if row_of[n] == r) for r in range(max(row_of.values()) + 1)]
    picture = Picture(top, rows, links)
    for _ in range(8):
        place(picture, downwards=True)
        place(picture, downwards=False)
    return picture


def place(picture: Picture, *, downwards: bool) -> None:
    """Order each row by where its neighbours in the row before are, and spread it evenly."""
    for row in picture.rows if downwards else reversed(picture.rows):
        pairs = picture.links if downwards else [(b, a) for a, b in picture.links]
        near = {n: [picture.middles.get(a, 0.0) for a, b in pairs if b == n] for n in row}
        own = picture.middles
        row.sort(
            key=lambda n: (sum(near[n]) / len(near[n]) if near[n] else own.get(n, 0.0), n)
        )  # used at once
        x = (picture.width - sum(map(wide, row)) - GAP * (len(row) - 1)) / 2
        for node in row:
            picture.middles[node] = x + wide(node) / 2
            x += wide(node) + GAP


def drawn(picture: Picture, left: float, top: float) -> list[str]:
    """A top package's frame, arrows and nodes as SVG."""
    y_of = {n: top + TITLE + ROW * r for r, row in enumerate(picture.rows) for n in row}
    x_of = {n: left + x for n, x in picture.middles.items()}
    lines = [
        (
            f'<rect class="top" x="{left:.0f}" y="{top:.0f}" width="{picture.width:.0f}"'
            f' height="{picture.height:.0f}" rx="8"/>'
        ),
        f'<text class="title" x="{left + PAD:.0f}" y="{top + 20:.0f}">{picture.name}</text>',
    ]
    for a, b in picture.links:
        start = y_of[a] + (HIGH if ">" not in a else HIGH / 2)
        end = y_of[b] + (HIGH / 2 if ">" in b else 0)
        arrow = "" if ">" in b else ' marker-end="url(#tip)"'
        lines.append(
            f'<path d="M{x_of[a]:.0f} {start:.0f} C{x_of[a]:.0f} {start + BEND:.0f},'
            f'{x_of[b]:.0f} {end - 2 * BEND:.0f},{x_of[b]:.0f} {end:.0f}"{arrow}/>'
        )
    for node in (n for row in picture.rows for n in row if ">" not in n):
        lines += box(node, x_of[node], y_of[node])
    return lines


def box(node: str, middle: float, top: float) -> list[str]:
    """A node with its name, and the numbers of the steps that are done there."""
    steps = ", ".join(map(str, WAY.get(node, ())))
    lines = [
        (
            f'<rect class="{"way" if steps else "node"}" x="{middle - wide(node) / 2:.0f}"'
            f' y="{top:.0f}" width="{wide(node):.0f}" height="{HIGH}" rx="4"/>'
        ),
        f'<text x="{middle:.0f}" y="{top + 17:.0f}">{escape(short(node))}</text>',
    ]
    if steps:
        x, y = middle - wide(node) / 2, top
        lines += [
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="9"/>',
            f'<text class="step" x="{x:.0f}" y="{y + 4:.0f}">{steps}</text>',
        ]
    return lines


STYLE = """
text { font: 12px sans-serif; text-anchor: middle; fill: #1b1f24; }
.title { font: bold 14px sans-serif; text-anchor: start; }
.top { fill: #f6f7f9; stroke: #8a939e; }
.node { fill: #fff; stroke: #8a939e; }
.way { fill: #e3eefb; stroke: #1f5fa8; }
circle { fill: #1f5fa8; }
.step { fill: #fff; font-size: 11px; font-weight: bold; }
path { fill: none; stroke: #9aa4af; }
.across { stroke: #1b1f24; stroke-width: 1.5; }
#tip path { fill: #9aa4af; stroke: none; }
"""


def svg() -> str:
    """The whole picture."""
    graph = grimp.build_graph(*TOP)
    parts = {top: laid_out(top, graph) for top in TOP}
    above, below = TOP[:2], TOP[2:]
    lines: list[str] = []
    across: dict[str, tuple[float, float, float]] = {}
    y, width = 12.0, 0.0
    for group in (above, below):
        x = 12.0
        tallest = max(parts[name].height for name in group)
        for name in group:
            top = y + (tallest - parts[name].height if group is above else 0)
            lines += drawn(parts[name], x, top)
            across[name] = (x + parts[name].width / 2, top, top + parts[name].height)
            x += parts[name].width + 24
        width = max(width, x - 12)
        y += tallest + 60
    known = [(a, b) for a in above for b in below if used(graph, a, b)]
    lines += [f'<path class="across" d="{joined(across, a, b)}" marker-end="url(#tip)"/>'
              for a, b in known]  # fmt: skip
    size = f'width="{width:.0f}" height="{y - 48:.0f}" viewBox="0 0 {width:.0f} {y - 48:.0f}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>The packages, by their imports, and a trial's way through them</title>",
        f"<style>{STYLE}</style>",
        ('<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4"'
        ' orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'),
        f'<rect width="{width:.0f}" height="{y - 48:.0f}" fill="#fff"/>',
        *lines,
        "</svg>",
        "",
    ])  # fmt: skip


def used(graph: grimp.ImportGraph, importer: str, imported: str) -> bool:
    """Whether one top package imports from another."""
    return graph.direct_import_exists(importer=importer, imported=imported, as_packages=True)


def joined(across: Mapping[str, tuple[float, float, float]], a: str, b: str) -> str:
    """An arrow from the lower edge of one top package to the upper edge of another."""
    (x, _, start), (to, end, _) = across[a], across[b]
    return (
        f"M{x:.0f} {start:.0f} C{x:.0f} {start + 40:.0f},{to:.0f} {end - 40:.0f},{to:.0f} {end:.0f}"
    )


if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
