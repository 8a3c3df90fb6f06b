"""Progress of ``invoke perf``: which entry is measured, and about how long it all still takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from harness.clock import Clock, HostClock
from harness.progress.progress import readable
from harness.project.perf import Entry, Unmeasured


class PerfProgress:
    """A bar whose length is the entries' own estimates, and whose pace is this host's."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._bar: Progress | None = None
        self._expected: dict[str, float] = {}
        self._done_s = 0.0
        self._begun_ns = clock.now_ns()

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """Show the bar while the context lasts; without a terminal, a line an entry."""
        if not self._console.is_terminal:
            yield
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
        )
        with Progress(*columns, console=self._console) as bar:
            bar.add_task("collecting", total=None, left="")
            self._bar = bar
            yield
        self._bar = None

    def planned(self, seconds: Mapping[str, float]) -> None:
        """Take the estimates."""
        self._expected = dict(seconds)
        self._begun_ns = self._clock.now_ns()

    def starting(self, name: str) -> None:
        """Show what is measured now."""
        left = readable(self._left_s())
        if self._bar is None:
            self._console.print(f"{name}, {left}", markup=False, highlight=False)
            return
        total = self._done_s + sum(self._expected.values())
        self._bar.update(
            self._bar.task_ids[0],
            description=name,
            completed=self._done_s,
            total=total,
            left=left,
        )

    def finished(self, result: Entry | Unmeasured) -> None:
        """Count it as done."""
        self._done_s += self._expected.pop(result.name, 0.0)

    def _left_s(self) -> float:
        """The estimates, at the pace that this host has had so far."""
        elapsed_s = (self._clock.now_ns() - self._begun_ns) / 1e9
        pace = elapsed_s / self._done_s if self._done_s else 1.0
        return sum(self._expected.values()) * pace


@contextlib.contextmanager
def showing(console: Console) -> Iterator[PerfProgress]:
    """A bar on ``console``."""
    progress = PerfProgress(console, HostClock())
    with progress.showing():
        yield progress
