"""Tidy CSV: one value per row.

Its columns are arm, workload, metric, unit, direction, value and, where there are any, block,
trial and iteration.  They come in any order and case; others are passed over and named.  The
delimiter is a comma, semicolon or tab; numbers have a decimal point.

Without ``trial`` each row is a trial of its own, but for rows of one arm, workload and block that
differ in ``iteration``.  Without ``block`` nothing is paired.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from results.importers import files
from results.importers.errors import ImportFault
from results.importers.files import Source
from results.importers.reading import Contents, Options, Reading
from results.importers.values import DIRECTIONS, name_problem, number, value_problem
from results.records.records import Direction

REQUIRED = ("arm", "workload", "metric", "unit", "direction", "value")
OPTIONAL = ("block", "trial", "iteration")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
CELL_LIMIT = 1000
ROW_LIMIT = 2_000_000
LARGEST_ITERATION = 1 << 31
UNIT_LIMIT = 32


def read(data: bytes, source: Source, options: Options) -> Contents:
    """The readings of a tidy CSV file.

    Raises:
        ImportFault: naming file, line and column of the first cell that cannot be used.
    """
    text = files.text(data, source.name)
    skip, first = _header(text)
    records = _records(text, source.name, _delimiter(first, f"{source.name}:{skip + 1}"), skip)
    line, header = next(records)
    columns = _columns(header, source, line, needs_arm=not source.arm)
    rows = _Rows(source, source.name, columns, len(header))
    readings = tuple(rows.reading(at, cells) for at, cells in records if any(cells))
    if not readings:
        raise ImportFault(f"{source.name} has a header and no rows")
    if options.workload and len({each.workload for each in readings}) > 1:
        raise ImportFault(
            f"{source.name} names its workloads itself", "leave --workload out for this file"
        )
    known = {*REQUIRED, *OPTIONAL}
    others = [_shown(name) for name in header if name.strip().casefold() not in known]
    notes = (f"columns passed over: {', '.join(others)[:300]}",) if others else ()
    return Contents("tidy-csv", readings, notes=notes)


def _shown(name: str) -> str:
    return repr(name.strip())[1:-1][:40] or "(without a name)"


def _header(text: str) -> tuple[int, str]:
    """How many lines stand before the header, and the header.

    Blank lines do, and the line ``sep=;`` that some spreadsheets put first.
    """
    line = ""
    for skip, line in enumerate(io.StringIO(text, newline="")):
        if line.strip() and line[:4].casefold() != "sep=":
            return skip, line
    return 0, line


def _delimiter(header: str, place: str) -> str:
    """The delimiter with which the header holds most of the columns that it has to."""

    def found(delimiter: str) -> int:
        cells = {cell.strip(' "').casefold() for cell in header.split(delimiter)}
        return len(cells & set(REQUIRED))

    best = max(DELIMITERS, key=found)
    if found(best) < 2:
        raise ImportFault(
            f"{place}: no header with the columns {', '.join(REQUIRED)}",
            f"also read, in any order: {', '.join(OPTIONAL)}; other formats are JSON of "
            "pytest-benchmark, hyperfine and pyperf",
        )
    return best


def _records(text: str, name: str, delimiter: str, skip: int) -> Iterator[tuple[int, list[str]]]:
    """Line on which it begins, and cells, of every record."""
    lines = io.StringIO(text, newline="")
    for _ in range(skip):
        lines.readline()
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1 + skip
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            what = str(error).replace("field larger than field limit", "a cell is longer than")
            hint = "a quote that is not closed?" if "end of data" in what else ""
            raise ImportFault(f"{name}:{line}: not CSV: {what}", hint) from None
        if line - skip > ROW_LIMIT:
            raise ImportFault(f"{name}:{line}: more than {ROW_LIMIT} lines", "import it in parts")
        yield line, [cell.strip() for cell in cells]


def _columns(
    header: Sequence[str], source: Source, line: int, *, needs_arm: bool
) -> Mapping[str, int]:
    """Name → index of each column that is read.

    Raises:
        ImportFault: one is missing or there twice.
    """
    found: dict[str, int] = {}
    names = [cell.casefold() for cell in header]
    for index, name in enumerate(names):
        if name in found:
            at = f"{source.name}:{line}, column {index + 1}"
            raise ImportFault(f"{at}: {name!r} is column {found[name] + 1} already")
        if name in REQUIRED or name in OPTIONAL:
            found[name] = index
    missing = [each for each in REQUIRED if each not in found and (each != "arm" or needs_arm)]
    if missing:
        near = [
            f"is {_shown(header[names.index(match)])} meant for {each}?"
            for each in missing
            for match in difflib.get_close_matches(each, set(names) - found.keys(), 1, 0.6)
        ]
        arm = "or say whose figures they are: ARM=FILE" if missing == ["arm"] else ""
        hint = "; ".join(filter(None, [*near, arm])) or f"the header is: {', '.join(REQUIRED)}"
        raise ImportFault(f"{source.name}:{line}: no column {', '.join(missing)}", hint)
    if not needs_arm and "arm" in found:
        raise ImportFault(
            f"{source.name} names its arms itself", f"import it as {source.name}, without ARM="
        )
    return found


@dataclass(slots=True)
class _Rows:
    """Turns rows into readings; equal names are one object, and checked once."""

    source: Source
    place: str
    columns: Mapping[str, int]
    width: int
    names: dict[str, str] = field(default_factory=dict)

    def reading(self, line: int, cells: Sequence[str]) -> Reading:
        """The reading of one row."""
        if len(cells) != self.width:
            raise ImportFault(
                f"{self.source.name}:{line}: {len(cells)} cells, but the header has {self.width}",
                "quote cells that hold the delimiter; a decimal comma also makes one too many"
                if len(cells) > self.width
                else "",
            )
        if any(map(CELL_LIMIT.__lt__, map(len, cells))):
            long = next(at for at, cell in enumerate(cells, 1) if len(cell) > CELL_LIMIT)
            raise self._fault(line, long, f"a cell of more than {CELL_LIMIT} characters")
        unit = self._unit(line, cells)
        block, trial = self._label(line, cells, "block"), self._label(line, cells, "trial")
        iteration = self._iteration(line, cells)
        if "iteration" in self.columns and not trial:
            trial = self._only_trial(line, block)
        return Reading(
            arm=self.source.arm or self._name(line, cells, "arm").casefold(),
            label="",
            workload=self._name(line, cells, "workload"),
            metric=self._name(line, cells, "metric"),
            unit=unit,
            direction=self._direction(line, cells),
            value=self._value(line, cells, unit),
            block=block,
            trial=trial,
            iteration=iteration,
            where=f"{self.place}:{line}",
        )

    def _fault(self, line: int, column: int, what: str, hint: str = "") -> ImportFault:
        return ImportFault(f"{self.source.name}:{line}, column {column}: {what}", hint)

    def _bad(self, line: int, name: str, what: str, hint: str = "") -> ImportFault:
        return self._fault(line, self.columns[name] + 1, f"{name}: {what}", hint)

    def _name(self, line: int, cells: Sequence[str], name: str) -> str:
        cell = cells[self.columns[name]]
        if cell not in self.names:
            problem = name_problem(cell)
            if problem:
                raise self._bad(line, name, problem)
            self.names[cell] = cell
        return self.names[cell]

    def _unit(self, line: int, cells: Sequence[str]) -> str:
        cell = cells[self.columns["unit"]]
        if cell not in self.names:
            problem = name_problem(cell, UNIT_LIMIT)
            if problem and cell:  # what is counted needs no unit
                raise self._bad(line, "unit", problem)
        return self.names.setdefault(cell, cell) if cell else ""

    def _direction(self, line: int, cells: Sequence[str]) -> Direction:
        cell = cells[self.columns["direction"]]
        direction = DIRECTIONS.get(cell.casefold())
        if direction is None:
            hint = "higher or lower: which is better"
            raise self._bad(line, "direction", f"{cell[:40]!r} is neither higher nor lower", hint)
        return direction

    def _label(self, line: int, cells: Sequence[str], name: str) -> str:
        """A block's or trial's label; empty where there is no such column."""
        return self._name(line, cells, name) if name in self.columns else ""

    def _iteration(self, line: int, cells: Sequence[str]) -> int:
        if "iteration" not in self.columns:
            return 1
        cell = cells[self.columns["iteration"]]
        whole = cell.isascii() and cell.isdigit() and len(cell) < 11
        if not whole or int(cell) >= LARGEST_ITERATION:
            raise self._bad(line, "iteration", f"{cell[:40]!r} is not a whole number from 0 up")
        return int(cell)

    def _only_trial(self, line: int, block: str) -> str:
        """Iterations belong to a trial: without its name, to the only one of their block."""
        if not block:
            raise self._bad(
                line,
                "iteration",
                "of which trial? there is neither a trial nor a block",
                "add a column trial: iterations of one trial are never pooled with another's",
            )
        return "1"

    def _value(self, line: int, cells: Sequence[str], unit: str) -> float:
        value, problem = number(cells[self.columns["value"]])
        problem = problem or value_problem(value, unit)
        if problem:
            raise self._bad(line, "value", problem)
        return value
