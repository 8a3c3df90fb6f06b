"""Tables for the terminal: pure, rich renderables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from harness.doctor.doctor import Row
from harness.project.perf import Measurement

_WORDS: Mapping[str, str] = {
    "works": "[green]✓ works[/]",
    "caution": "[yellow]! caution[/]",
    "missing": "[red]✗ missing[/]",
}


def doctor(rows: Sequence[Row]) -> Table:
    """What works on this host."""
    table = Table(title="This host", title_justify="left")
    for heading in ("what", "state", "why", "what to do"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(escape(row.subject), _WORDS[row.state], escape(row.why), escape(row.remedy))
    return table


def perf(measurement: Measurement) -> Table:
    """Each target and how it is met; below, what could not be measured."""
    table = Table(title="Targets", title_justify="left")
    for heading in ("entry", "figure", "target", "of what is allowed", "beside, in the same run"):
        table.add_column(heading, overflow="fold")
    for entry in measurement.entries:
        beside = ", ".join(f"{name} {value:.4g}" for name, value in entry.beside.items())
        mark = "[green]✓[/]" if entry.met else "[red]✗[/]"
        table.add_row(
            escape(entry.name),
            f"{entry.figure:.4g} {entry.unit}",
            escape(entry.target),
            f"{mark} {entry.ratio:.2f}",
            escape(beside),
        )
    for unmeasured in measurement.unmeasured:
        mark = "[red]✗ failed[/]" if unmeasured.failed else "[yellow]– not here[/]"
        table.add_row(escape(unmeasured.name), mark, escape(unmeasured.why), "", "")
    return table
