"""Run one block in slices: all instances up, idle but for one, taking turns."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.plan.schedule import Slot
from harness.trial import services
from harness.trial.context import Context
from harness.trial.slices import order
from harness.trial.slices.seat import Seat
from harness.trial.trial import FAULTS, judge, may_be_looked_at, record, samples_of
from results.records.records import Sample, Trial
from runtimes.variations import is_cold
from workloads.base import CommandSlices, ResidentSlices, Side, SliceWork

SHORTEST_MS, LONGEST_MS = 50, 200
"""Of a slice: shorter ones are lost to switching, longer ones meet another clock than their
neighbours do."""
SWITCHING = 4
"""A slice is at least so many times what going over to it costs."""
LEAST_ROUNDS = 10
"""Fewer give no robust difference."""
SHARE_OF_MEMORY = 0.8
"""Of what is available: more boxes at once would be paid for in swap."""
BESIDE_BYTES = 128 << 20
"""What a box may take beside its limit: its shim, its QEMU."""
EMULATED = "emulated"

Records = list[tuple[Trial, list[Sample]]]


@dataclass(frozen=True, slots=True)
class Amount:
    """How a block's measuring time is cut."""

    of_slice: int
    """Milliseconds, or units of a command."""
    rounds: int


def together(context: Context, block: Sequence[Slot]) -> list[Slot]:
    """Those of a block's trials that can work in slices; two at least, or there is nothing to pair.

    An emulated box would take the others' CPU while it is idle, and a cold one drops their caches:
    each has its trial alone.
    """
    workload = context.workloads[block[0].workload]
    if workload.slices is None or workload.name not in context.sliced:
        return []
    fit = [
        slot
        for slot in block
        if not is_cold(slot.arm.profile)
        and EMULATED not in context.conditions(slot.arm.backend, slot.arm.profile)
    ]
    return fit if len(fit) > 1 else []


def lacking(context: Context, boxes: int) -> str:
    """Why so many boxes cannot be up at once; empty where they can."""
    needed = boxes * (context.limits.memory_bytes + BESIDE_BYTES)
    available = context.available_bytes()
    if needed <= SHARE_OF_MEMORY * available:
        return ""
    return f"{boxes} boxes at once may take {needed >> 20} MiB of {available >> 20} MiB available"


def run_block(context: Context, slots: Sequence[Slot], attempt: Callable[[str], int]) -> Records:
    """Run the trials of ``slots`` together; their records, with none of them written yet."""
    clock, workload = context.clock, context.workloads[slots[0].workload]
    work = workload.slices
    if work is None:
        raise AssertionError(f"{workload.name} cannot be done in slices")
    entered_ns = clock.now_ns()
    ended = context.watch(during=may_be_looked_at(context, workload))
    working_ns = clock.now_ns()
    seats = [Seat(context, workload, work, slot) for slot in slots]
    try:
        _work(context, seats, work)
    except BaseException:
        ended()  # whatever looks at the host beside the work ends with it
        raise
    worked_ns = clock.now_ns()
    around = ended()
    records: Records = []
    for seat in seats:
        seat.outcome.beside = len(seats) - 1
        pressure = dataclasses.replace(around, box_throttled_ns=seat.throttled_ns)
        findings = judge(context, workload, seat.slot, seat.outcome, pressure)
        trial = record(
            context,
            seat.slot,
            attempt(seat.slot.trial_id),
            seat.outcome,
            findings=findings,
            around=pressure,
            begun_utc=seat.begun_utc,
        )
        records.append((trial, samples_of(workload, trial, seat.outcome)))
    own_ns = (clock.now_ns() - entered_ns - (worked_ns - working_ns)) // len(seats)
    return [(dataclasses.replace(trial, bookkeeping_ns=own_ns), its) for trial, its in records]


def _work(context: Context, seats: Sequence[Seat], work: SliceWork) -> None:
    try:
        with _served(context, work), contextlib.ExitStack() as room:
            for seat in seats:
                seat.enter(room)
            amount = _amount(context, seats, work)
            if amount is not None:
                _take_turns(context, seats, amount)
            for seat in seats:
                seat.leave()
    except FAULTS as error:  # of what they share: a seat keeps its own
        for seat in seats:
            seat.fail(error)


@contextlib.contextmanager
def _served(context: Context, work: SliceWork) -> Iterator[None]:
    """The server that the boxes' programs use, where they use one, is up at the peer."""
    server = work.server if isinstance(work, ResidentSlices) else None
    if server is None:
        yield
        return
    with context.peer() as peer, services.running([server], {Side.PEER: peer}, {}):
        yield


def _amount(context: Context, seats: Sequence[Seat], work: SliceWork) -> Amount | None:
    """Slices long enough for what switching costs here, rounds for the time a trial measures."""
    units = work.probe if isinstance(work, CommandSlices) else 1
    for seat in seats:  # the first one pays for what is read from the disk, and is not believed
        seat.probe(units)
    spans = [found for seat in seats if (found := seat.probe(units)) is not None]
    if not spans:
        return None
    least_ns = statistics.median(inside for inside, _ in spans)
    switching_ns = statistics.median(outside - inside for inside, outside in spans)
    shortest_ns, longest_ns = SHORTEST_MS * 1e6, LONGEST_MS * 1e6
    span_ns = min(max(SWITCHING * switching_ns, shortest_ns), longest_ns)
    measured_ns = context.size.iterations * context.size.seconds * 1e9
    rounds = max(LEAST_ROUNDS, math.ceil(measured_ns / max(span_ns, least_ns)))
    if isinstance(work, CommandSlices):
        return Amount(max(1, round(units * span_ns / least_ns)), rounds)
    return Amount(max(1, round(span_ns / 1e6)), rounds)


def _take_turns(context: Context, seats: Sequence[Seat], amount: Amount) -> None:
    """A round that warms everything, which counts nowhere, then those that do."""
    first = seats[0].slot
    # Not for secrets: the order must be repeatable from the run's seed.
    generator = random.Random(f"{context.seed}/{first.workload}/{first.block}")  # noqa: S311
    place, after = 0, ""
    for number, row in enumerate(order.rounds(len(seats), 1 + amount.rounds, generator)):
        for turn in row:
            seat = seats[turn]
            if seat.works:
                seat.slice(amount.of_slice, number, place, after)
                place, after = place + 1, seat.slot.arm.name
