"""Fit tables to a terminal's width: lines break between words, long words lose their middle.

rich narrows every column alike when a table is too wide, and then breaks names in two.  Here each
column first gets its longest word, and what is left goes to those that have most to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

LEAST = 6
"""No column is narrower: ``ab…yz`` still says something."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Demand:
    """How many cells of the terminal a column asks for."""

    longest_word: int
    widest_line: int


def fitted(table: Table, console: Console) -> Table:
    """``table`` itself where it fits, else one that does.

    Cells that are no text (a table within a table) are left as they are.
    """
    demands = [_demand(column, console) for column in table.columns]
    room = console.width - _frame(table)
    if sum(demand.widest_line for demand in demands) <= room:
        return table
    return _rebuilt(table, share(demands, room), console)


def share(demands: Sequence[Demand], room: int) -> list[int]:
    """Widths of the columns, together at most ``room`` where ``LEAST`` each allows it.

    Every column has its longest word; where even these do not fit, the longest are cut.  What is
    left over goes to the columns in proportion to what they still lack.
    """
    widths = [max(1, demand.longest_word) for demand in demands]
    while sum(widths) > room and max(widths) > LEAST:
        widths[widths.index(max(widths))] -= 1
    lacking = [
        max(0, demand.widest_line - width) for demand, width in zip(demands, widths, strict=True)
    ]
    spare, total = room - sum(widths), sum(lacking)
    if spare <= 0 or total == 0:
        return widths
    shares = [min(lack, spare * lack // total) for lack in lacking]
    return [width + extra for width, extra in zip(widths, shares, strict=True)]


def shorten(text: Text, width: int) -> Text:
    """``text`` with an ellipsis in the middle of every word longer than ``width``; styles stay."""
    pieces, end = Text(justify=text.justify, style=text.style), 0
    for match in _WORD.finditer(text.plain):
        if len(match[0]) <= width:
            continue
        head = (width - 1) - (width - 1) // 2
        tail = width - 1 - head
        pieces.append_text(text[end : match.start() + head]).append("…")
        end = match.end() - tail
    return pieces.append_text(text[end:]) if end else text


def _demand(column: Column, console: Console) -> Demand:
    lines = [
        line
        for cell in (column.header, *column.cells)
        if (text := _text(cell, console)) is not None
        for line in text.plain.split("\n")
    ]
    widest = max((len(line) for line in lines), default=0)
    if column.no_wrap:
        return Demand(widest, widest)
    words = (len(word) for line in lines for word in line.split())
    return Demand(max(words, default=0), widest)


def _text(cell: RenderableType, console: Console) -> Text | None:
    if isinstance(cell, Text):
        return cell
    return console.render_str(cell, highlight=False) if isinstance(cell, str) else None


def _frame(table: Table) -> int:
    """Borders, and a space on either side of every cell."""
    count = len(table.columns)
    return count * 2 + (count + 1 if table.box else 0)


def _rebuilt(table: Table, widths: Sequence[int], console: Console) -> Table:
    built = Table(
        title=table.title,
        title_justify=table.title_justify,
        box=table.box,
        show_lines=table.show_lines,
        show_header=table.show_header,
    )
    for column, width in zip(table.columns, widths, strict=True):
        built.add_column(
            _cut(column.header, width, console), width=width, justify=column.justify,
            style=column.style,
        )  # fmt: skip
    cells = zip(*(column.cells for column in table.columns), strict=True)
    for row, parts in zip(table.rows, cells, strict=True):
        cut = (_cut(part, width, console) for part, width in zip(parts, widths, strict=True))
        built.add_row(*cut, style=row.style, end_section=row.end_section)
    return built


def _cut(cell: RenderableType, width: int, console: Console) -> RenderableType:
    text = _text(cell, console)
    return cell if text is None else shorten(text, width)
