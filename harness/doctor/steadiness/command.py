"""``invoke doctor --measure``: measure, with a bar, and say what was found."""

from __future__ import annotations

import os

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from harness.clock import Clock
from harness.doctor.doctor import Row
from harness.doctor.steadiness import expected, load, rows
from harness.doctor.steadiness.recording import Recording
from harness.doctor.steadiness.turns import SECONDS, Turns, looked_at
from harness.errors import HarnessFault
from harness.host import lock
from harness.plan.limits import allot
from harness.terminal.terminal import warn
from runtimes.faults import RuntimeFault


def measured(clock: Clock, console: Console) -> list[Row]:
    """Ten seconds of measuring, in rows.

    Raises:
        BusyFault: a run is measuring on this host: both would be disturbed.
    """
    with lock.measuring(wait=False, told=warn):
        recording = _recorded(clock, console)
    try:
        effect, reason = expected.smallest(recording)
    except (RuntimeFault, HarnessFault) as error:
        effect, reason = None, str(error)
    return list(rows.rows(recording, effect, reason, os.cpu_count() or 1))


def _recorded(clock: Clock, console: Console) -> Recording:
    split = allot(None, None, None)
    turns = Turns(
        split.box.cpus, looked_at(split.box.cpus, split.harness_cpus), now_ns=clock.now_ns
    )
    before = os.sched_getaffinity(0)
    columns = TextColumn("{task.description}"), BarColumn()
    # Drawn between rounds, and by no thread that would work beside a slice.
    bar = Progress(*columns, console=console, auto_refresh=False, transient=True)
    try:
        with bar:
            job = bar.add_task(f"measuring this host, {SECONDS:.0f} s", total=1.0)

            def tick(share: float) -> None:
                bar.update(job, completed=share, refresh=console.is_terminal)

            tick(0.0)
            return turns.measure(load.begun(clock.now_ns), tick)
    finally:
        os.sched_setaffinity(0, before)
