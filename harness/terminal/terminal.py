"""The terminal, for the tasks alone: lines as they are, errors with their tail and hint."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from harness.errors import describe
from harness.terminal.table_fit import fitted
from runtimes.printable import printable, printable_json


class Terminal(Console):
    """A console that tables fit, and that nothing it prints can steer."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401  # rich's own
        """Print, tables at most as wide as the terminal."""
        fitting = (fitted(each, self) if isinstance(each, Table) else each for each in objects)
        super().print(*fitting, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Segments of what is printed, or shown in a bar, with what would steer escaped."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


stdout = Terminal(highlight=False)
stderr = Terminal(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print one line as it is."""
    stdout.print(printable(text), markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print one line as it is, to standard error."""
    stderr.print(printable(text), markup=False, soft_wrap=True)


def pass_on(data: bytes, stream: TextIO) -> None:
    """What a box wrote, as it is; on a terminal with what would steer that escaped."""
    if stream.isatty():
        stream.write(printable(data.decode("utf-8", "replace")))
    else:
        stream.buffer.write(data)
    stream.flush()


def encode_json(document: object) -> str:
    """JSON for people and programs; a number that is none (JSON has no word for it) is null."""
    return printable_json(json.dumps(_finite(document), indent=2, ensure_ascii=False)) + "\n"


def _finite(value: object) -> object:
    """The same with None where a number is not finite."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
