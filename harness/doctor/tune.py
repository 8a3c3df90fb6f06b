"""``invoke doctor --tune`` and ``--restore`` on the host that we run on."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import RenderableType

from harness.clock import Clock, stamp
from harness.doctor.tune_table import table
from harness.errors import HarnessFault, UsageFault
from harness.host import lock
from harness.host.tuning import steps
from harness.host.tuning.change import Change, summarised
from harness.host.tuning.kernel_files import Tree
from harness.host.tuning.undo import UndoFile
from harness.plan.limits import allot


def carry_out(clock: Clock, *, tune: bool, restore: bool) -> list[Change]:
    """Tune this host or put it back; a line for all settings that fared alike.

    Raises:
        UsageFault: both at once.
        BusyFault: a run is measuring, and must not be changed under its feet.
        HarnessFault: not root, or the undo file cannot be read or written.
    """
    if tune and restore:
        raise UsageFault("--tune and --restore undo each other", hint="give one of them")
    if os.geteuid() != 0:
        raise HarnessFault("only root can change the host's settings", hint="run it with sudo")
    with lock.measuring(wait=False, told=lambda _: None):
        if restore:
            return summarised(steps.restore(Tree(), UndoFile()))
        now_utc = stamp(clock.utc())
        return summarised(
            steps.tune(Tree(), UndoFile(), now_utc=now_utc, harness_cpus=_harness_cpus)
        )


def told(changes: Sequence[Change], *, restore: bool) -> RenderableType:
    """What became of it, for a terminal."""
    if not changes:
        return "nothing to put back" if restore else "nothing here can be tuned"
    return table(changes, "Put back" if restore else "Tuned; undo with: invoke doctor --restore")


def _harness_cpus() -> frozenset[int]:
    split = allot(None, None, None)
    return frozenset() if split.shared else frozenset(split.harness_cpus)
