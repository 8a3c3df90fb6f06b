"""Speed and size targets of the project itself: entries measured by tests/perf, read as they come.

Each entry is one pytest-benchmark test that runs what it measures beside what it is compared
with, in turn, in one process.  Its figures come through a pipe when it ends, so that one entry
that fails, or the end of pytest itself, costs no other entry its line.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol

from harness.directories import PROJECT
from harness.errors import HarnessFault, UsageFault
from runtimes import process

WRONG_USAGE = 4
"""pytest's exit status."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One target and how it is met."""

    name: str
    figure: float
    unit: str
    target: str
    """In words, e.g. ``at most 0.9 × bubblewrap``."""
    ratio: float
    """Figure ÷ what the target allows: at most 1 where it is met."""
    met: bool
    beside: Mapping[str, float]
    """What was measured in the same run: name → figure in the same unit."""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """An entry without a figure."""

    name: str
    why: str
    failed: bool
    """Not: this host cannot have it."""
    output: str = ""
    """Where it failed, in pytest's words."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """All that one call measured, in the order in which it ended."""

    entries: tuple[Entry, ...]
    unmeasured: tuple[Unmeasured, ...]

    @property
    def met(self) -> bool:
        """Whether every entry that this host can have was measured and meets its target."""
        return all(entry.met for entry in self.entries) and not any(
            each.failed for each in self.unmeasured
        )


class Observer(Protocol):
    """Told what is being measured."""

    def planned(self, seconds: Mapping[str, float]) -> None:
        """Every entry that will be measured, in order, and about how long it takes."""
        ...

    def starting(self, name: str) -> None:
        """An entry begins."""
        ...

    def finished(self, result: Entry | Unmeasured) -> None:
        """An entry has ended."""
        ...


def measure(only: str | None, observer: Observer) -> Measurement:
    """Run the entries, or the one called ``only``.

    Raises:
        UsageFault: no entry has that name.
        HarnessFault: pytest could not even begin.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as events, tempfile.TemporaryFile() as output:
        try:
            child = process.spawn(
                [
                    *(sys.executable, "-m", "pytest", "-q", "tests/perf", "-p", "no:cacheprovider"),
                    f"--events={writing}",
                    *([f"--only={only}"] if only else []),
                ],
                env=os.environ,
                stdout=output,
                stderr=output,
                pass_fds=(writing,),
                cwd=PROJECT,
            )
        finally:
            os.close(writing)
        try:
            results = tuple(follow(events, observer))
        finally:
            status = child.wait()  # Ctrl-C reaches it as well: it releases what it holds
        if not results or status == WRONG_USAGE:
            raise _nothing(only, status, output)
    return Measurement(
        tuple(each for each in results if isinstance(each, Entry)),
        tuple(each for each in results if isinstance(each, Unmeasured)),
    )


def _nothing(only: str | None, status: int, output: IO[bytes]) -> HarnessFault:
    tail = process.tail_of_file(output.fileno()).decode("utf-8", "replace")
    if status == WRONG_USAGE and only:
        line = next((line for line in tail.splitlines() if line.startswith("ERROR: ")), "")
        return UsageFault(
            f"--only {only!r:.60} could not be used", hint=line.removeprefix("ERROR: ")
        )
    return HarnessFault(
        f"no entry could be measured: pytest ended with status {status}",
        hint="run .venv/bin/python -m pytest tests/perf to see why",
        tail=tail,
    )


def follow(events: Iterable[str], observer: Observer) -> Iterator[Entry | Unmeasured]:
    """Results from the lines that tests/perf writes; the planned ones that never end, too."""
    open_names: dict[str, float] = {}
    for line in events:
        told = json.loads(line)
        if "planned" in told:
            open_names = dict(told["planned"])
            observer.planned(told["planned"])
        elif "starting" in told:
            observer.starting(told["starting"])
        else:
            result = read(told)
            open_names.pop(result.name, None)  # one whose clean-up failed is told twice
            observer.finished(result)
            yield result
    for name in open_names:
        result = Unmeasured(name, "pytest ended before it", failed=True)
        observer.finished(result)
        yield result


def read(told: Mapping[str, Any]) -> Entry | Unmeasured:
    """One result; a figure that is no number is none."""
    if "entry" not in told:
        return Unmeasured(**told["unmeasured"])
    entry = Entry(**told["entry"])
    if not math.isfinite(entry.figure) or not math.isfinite(entry.ratio):
        return Unmeasured(entry.name, f"{entry.figure} is no figure", failed=True)
    return entry
