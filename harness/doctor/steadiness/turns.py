"""Two arms that are the same work take turns, as slices of a run do; clocks are read in between."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from harness.doctor.steadiness.recording import Load, Recording, Round, Slice
from harness.host.pressure.pace import FEW_TRIES, settled, spin, timed
from harness.trial.slices import order

SECONDS = 10.0
SLICE_NS = 50_000_000
"""The shortest that a run has."""
BLOCKS, ROUNDS = 10, 10
"""Together ten seconds of slices; each block has as many rounds as the shortest of a run."""
ARMS = 2
PATIENCE = 2.0
"""After so many times the ten seconds it ends with what there is: all is slow here, or stolen."""
SEED = 1

Move = Callable[[Collection[int]], None]
Tick = Callable[[float], None]
"""Told the share that is done."""


def move_here(cpus: Collection[int]) -> None:
    """Move our thread onto ``cpus``; the others stay where they are."""
    os.sched_setaffinity(0, cpus)


@dataclass(slots=True)
class Turns:
    """Measures, on CPUs of the boxes and of the harness."""

    box_cpus: Sequence[int]
    """Slices are done there, a block each in turn."""
    cpus: Sequence[int]
    """Read one after another, between slices."""
    now_ns: Callable[[], int]
    work: Callable[[], None] = spin
    move: Move = move_here
    _paces: dict[int, list[int]] = field(default_factory=dict, init=False)
    _closed: set[int] = field(default_factory=set, init=False)
    _reads: int = field(default=0, init=False)

    def measure(self, ended: Callable[[], Load], told: Tick) -> Recording:
        """Take the turns.

        Args:
            ended: tells what was counted since the beginning.
            told: called after each round.
        """
        cpus = [cpu for cpu in self.box_cpus if self._enter(cpu)]
        amount = self._amount()
        deadline_ns = self.now_ns() + round(PATIENCE * SECONDS * 1e9)
        # Not for secrets.  The same order each time is as good as any: the host knows none.
        rows = iter(order.rounds(ARMS, 1 + BLOCKS * ROUNDS, random.Random(SEED)))  # noqa: S311
        self._round(next(rows), amount, cpus[:1])  # warms everything, counts nowhere
        blocks: list[list[Round]] = []
        for number, row in enumerate(rows):
            if self.now_ns() > deadline_ns:
                break
            if number % ROUNDS == 0:
                blocks.append([])
            place = (len(blocks) - 1) % max(1, len(cpus))
            blocks[-1].append(self._round(row, amount, cpus[place : place + 1]))
            told((number + 1) / (BLOCKS * ROUNDS))
        return Recording(
            paces={cpu: tuple(found) for cpu, found in sorted(self._paces.items())},
            blocks=tuple(tuple(each) for each in blocks),
            load=ended(),
            closed=tuple(sorted(self._closed)),
        )

    def _amount(self) -> int:
        """Pieces of work in a slice."""
        return max(1, round(SLICE_NS / settled(self._quickly)))

    def _round(self, row: order.Row, amount: int, cpu: Sequence[int]) -> Round:
        return tuple(self._slices(row, amount, cpu))

    def _slices(self, row: order.Row, amount: int, cpu: Sequence[int]) -> Iterator[Slice]:
        for arm in row:
            if cpu:
                self._enter(cpu[0])
            self.work()  # as slices of a run begin: the clock comes up
            begun_ns = self.now_ns()
            for _ in range(amount):
                self.work()
            yield arm, self.now_ns() - begun_ns
            self._read()

    def _read(self) -> None:
        """The next CPU's pace."""
        if not self.cpus:
            return
        cpu = self.cpus[self._reads % len(self.cpus)]
        self._reads += 1
        if self._enter(cpu):
            self._paces.setdefault(cpu, []).append(settled(self._quickly))

    def _quickly(self) -> int:
        return timed(self.work, self.now_ns, FEW_TRIES)

    def _enter(self, cpu: int) -> bool:
        """Work on that CPU; False where the kernel refuses."""
        if cpu in self._closed:
            return False
        try:
            self.move({cpu})
        except OSError:  # a CPU set around us forbids it, or it is offline
            self._closed.add(cpu)
            return False
        return True


def looked_at(box: Sequence[int], harness: Sequence[int], most: int = 10) -> tuple[int, ...]:
    """CPUs to read: the boxes', and so many of the harness's that each is read often enough."""
    first = list(dict.fromkeys(box))[:most]
    rest = [cpu for cpu in harness if cpu not in first]
    room = most - len(first)
    step = max(1, -(-len(rest) // room)) if room else 1
    return tuple(sorted([*first, *(rest[::step] if room else [])]))
