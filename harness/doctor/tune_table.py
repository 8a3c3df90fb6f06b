"""A table of what tuning changed, could not change, or put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from harness.host.tuning.change import Change, State

_WORDS: Mapping[State, str] = {
    "changed": "[green]✓ changed[/]",
    "restored": "[green]✓ put back[/]",
    "already": "✓ already so",
    "refused": "[yellow]! not changed[/]",
    "gone": "– not there any more",
    "absent": "– nothing to set",
}


def table(changes: Sequence[Change], title: str) -> Table:
    """One line for each change; files that fared alike are counted."""
    shown = Table(title=title, title_justify="left")
    for heading in ("setting", "state", "was", "is", "where and why"):
        shown.add_column(heading, overflow="fold")
    for each in changes:
        where = each.paths[0] if each.paths else ""
        where += f" and {len(each.paths) - 1} more" if len(each.paths) > 1 else ""
        why = f"{where}: {each.why}" if where and each.why else where or each.why
        cells = (escape(text) for text in (each.was, each.now, why))
        shown.add_row(escape(each.subject), _WORDS[each.state], *cells)
    return shown
