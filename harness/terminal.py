"""The terminal, for the tasks alone: lines as they are, errors with their tail and hint."""

from __future__ import annotations

import json
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from harness.errors import describe
from harness.table_fit import fitted


class Terminal(Console):
    """A console that tables fit."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401  # rich's own
        """Print, tables at most as wide as the terminal."""
        fitting = (fitted(each, self) if isinstance(each, Table) else each for each in objects)
        super().print(*fitting, **options)


stdout = Terminal(highlight=False)
stderr = Terminal(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print one line as it is."""
    stdout.print(text, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print one line as it is, to standard error."""
    stderr.print(text, markup=False, soft_wrap=True)


def pass_on(data: bytes, stream: TextIO) -> None:
    """What a box wrote, as it is; on a terminal without what would steer that."""
    if stream.isatty():
        text = data.decode("utf-8", "replace")
        stream.write("".join(each for each in text if each.isprintable() or each in "\n\t"))
    else:
        stream.buffer.write(data)
    stream.flush()


def encode_json(document: object) -> str:
    """JSON for people and programs."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def tell(error: BaseException) -> None:
    """What failed, its last output, and what to do next."""
    message, hint, tail = describe(error)
    warn(f"error: {message}")
    if tail:
        warn("  its last output:")
        for line in tail.splitlines()[-12:]:
            warn(f"    {line}")
    if hint:
        warn(f"  → {hint}")
