"""What is running, how far it is, and how long it will still take."""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from harness.clock import Clock
from harness.plan.schedule import Slot
from harness.progress import standing_line
from results.records.standings import Standing

PLAIN_INTERVAL_S = 30.0
STANDS_INTERVAL_S = 60.0
"""Without a terminal: between two lines that say how the claims stand."""


class Observer(Protocol):
    """Told of everything that takes time."""

    def doing(self, text: str) -> None:
        """Preparing: a few words."""
        ...

    def starting(self, slot: Slot, remaining: Sequence[Slot]) -> None:
        """A trial begins; ``remaining`` includes it."""
        ...

    def finished(self, slot: Slot, seconds: float, error: str) -> None:
        """A trial has ended; ``error`` is empty unless it failed."""
        ...

    def note(self, text: str) -> None:
        """Something a reader should know, now and in the log."""
        ...


class Estimate:
    """How long the remaining trials will take, from those that have ended."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], list[float]] = defaultdict(list)

    def learn(self, slot: Slot, seconds: float) -> None:
        """One more trial took ``seconds``."""
        self._seconds[slot.workload, slot.arm.name].append(seconds)

    def knows(self, slot: Slot) -> bool:
        """Whether a trial of this kind has been timed."""
        return (slot.workload, slot.arm.name) in self._seconds

    def remaining_s(self, slots: Sequence[Slot]) -> float | None:
        """Seconds for ``slots``; ``None`` before anything is known.

        A kind of trial not yet seen counts as the mean of its arm, else of its workload, else of
        all.
        """
        if not self._seconds:
            return None
        means = {key: statistics.fmean(values) for key, values in self._seconds.items()}

        def one(kind: tuple[str, str]) -> float:
            if kind in means:
                return means[kind]
            workload, arm = kind
            of_arm = [value for (_, its), value in means.items() if its == arm]
            of_workload = [value for (its, _), value in means.items() if its == workload]
            return statistics.fmean(of_arm or of_workload or means.values())

        kinds = Counter((slot.workload, slot.arm.name) for slot in slots)
        return sum(one(kind) * count for kind, count in kinds.items())


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3 h 20 min``: to the precision of an estimate."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(round(minutes / 10) * 10, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def readable(seconds: float | None) -> str:
    """``about 4 min left``; empty when nothing can be said."""
    return "" if seconds is None else f"about {duration(seconds)} left"


class _Area(Progress):
    """The bar, and below it how the claims stand."""

    below: tuple[str, ...] = ()

    def get_renderables(self) -> Iterator[RenderableType]:
        """See Progress."""
        yield from super().get_renderables()
        for line in self.below:
            yield Text(line, no_wrap=True, overflow="ellipsis")


class TerminalObserver:
    """A progress bar on a terminal; elsewhere a line now and then."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._estimate = Estimate()
        self._bar: _Area | None = None
        self._said_ns: int | None = None
        self._stood_ns: int | None = None
        self._planned = 0
        self.budget_left_s: Callable[[], float] | None = None
        """What a budget leaves, where there is one: the run takes no longer, and perhaps less."""

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """Show the bar while the context lasts."""
        if not self._console.is_terminal:
            yield
            return
        with _Area(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
        ) as bar:
            bar.add_task("preparing", total=None, left="")
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def doing(self, text: str) -> None:
        """Show what is being prepared."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=text)
        else:
            self._console.print(text, markup=False, highlight=False)

    def starting(self, slot: Slot, remaining: Sequence[Slot]) -> None:
        """Show the trial and the estimate."""
        what = f"{slot.workload} in {slot.arm.name}"
        left = readable(self._left_s(remaining))
        self._planned = max(self._planned, len(remaining))
        done = self._planned - len(remaining)
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0],
                description=what,
                completed=done,
                left=left,
                total=self._planned,
            )
            return
        now = self._clock.now_ns()
        if self._said_ns is None or now - self._said_ns > PLAIN_INTERVAL_S * 1e9:
            self._said_ns = now
            tail = f", {left}" if left else ""
            most = "at most " if self.budget_left_s else ""
            self._console.print(
                f"trial {done + 1} of {most}{self._planned}: {what}{tail}",
                markup=False,
                highlight=False,
            )

    def _left_s(self, remaining: Sequence[Slot]) -> float | None:
        expected = self._estimate.remaining_s(remaining)
        if self.budget_left_s is None:
            return expected
        left = max(0.0, self.budget_left_s())
        return left if expected is None else min(expected, left)

    def finished(self, slot: Slot, seconds: float, error: str) -> None:
        """Learn how long it took; a failure is said at once."""
        self._estimate.learn(slot, seconds)
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])
        if error:
            self.note(f"{slot.trial_id} failed: {error}")

    def stands(self, standings: Sequence[Standing], blocks: int) -> None:
        """Show how the claims stand: below the bar, or in a line a minute at most."""
        if self._bar is not None:
            self._bar.below = tuple(standing_line.lines(standings, blocks, self._console.width))
            self._bar.refresh()
            return
        now = self._clock.now_ns()
        if self._stood_ns is None or now - self._stood_ns >= STANDS_INTERVAL_S * 1e9:
            self._stood_ns = now
            (line,) = standing_line.lines(standings, blocks, sys.maxsize)
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
