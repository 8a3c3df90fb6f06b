"""``python -m results.ledger.settle``: what a measuring process asks before and between blocks.

``settle --maximum N`` prints when to look, as JSON: a list of ``PlannedLook``.
``settle RUN --blocks-done K --maximum N [--last]`` judges the run's data so far and prints a
``Look``: per claim decided, or go on with which workloads and about how many more blocks.

A child of whoever measures, started between trials: it loads pandas and the statistics, and
writes nothing.  Exit status: 0 done, 1 the run's files cannot be read, 2 wrong usage, a ledger
that does not hold together, or no look planned there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from results.errors import StoreError
from results.frame import DEFAULT_ROOT
from results.frame import load as load_frame
from results.ledger.claims.errors import LedgerError
from results.ledger.looks import ending, judge_at, planned, stages_of, states
from results.ledger.outcome import ledger_of
from results.records.looks import Look, PlannedLook
from results.stats import StatsError
from results.stats.sequential import plan
from results.store.store import RunDirectory


def plan_looks(maximum: int) -> tuple[PlannedLook, ...]:
    """When to look in a run of at most ``maximum`` blocks, and at which levels.

    Raises:
        StatsError: so few blocks give no interval.
    """
    schedule = plan(maximum)
    return tuple(
        PlannedLook(blocks, levels.difference, levels.equivalence)
        for blocks, levels in zip(schedule.looks, schedule.levels, strict=True)
    )


def take_look(directory: RunDirectory, blocks: int, *, last: bool) -> Look:
    """Judge what the run has so far.

    Args:
        directory: the run.
        blocks: how many are done; a look must be planned there, unless it is the last.
        last: the budget has ended.

    Raises:
        StoreError, LedgerError: as ``results.ledger.outcome.judge_run``.
        StatsError: no look is planned there.
    """
    run, trials = directory.run(), directory.trials()
    now = ending(run, trials) if last else planned(run, trials, blocks)
    if now is None:
        at = ", ".join(str(each.blocks) for each in run.planned_looks) or "none"
        hint = f"planned: {at}"
        raise StatsError(f"no look is planned at {blocks} blocks", argument="blocks", hint=hint)
    before = [stage for stage in stages_of(run, trials) if run.looks and stage.blocks <= blocks]
    ledger = ledger_of(directory)
    judgement = judge_at(ledger, load_frame(directory), run, trials, [*before, now])
    return Look(
        blocks=now.blocks,
        difference=now.levels.difference,
        equivalence=now.levels.equivalence,
        trials=now.trials,
        claims=states(ledger, judgement, trials),
        last=last or now.blocks == run.blocks,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, plan or look, print; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m results.ledger.settle", description="Are the claims of a run settled?"
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help="a run's directory, name or short id")
    parser.add_argument("--maximum", type=int, required=True, help="the most blocks")
    parser.add_argument("--blocks-done", type=int, default=0, help="blocks that are complete")
    parser.add_argument("--last", action="store_true", help="nothing is looked at after this")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="where runs are")
    options = parser.parse_args(arguments)
    try:
        if options.run is None:
            answer: object = plan_looks(options.maximum)
        else:
            directory = _opened(options.run, options.root, options.maximum)
            answer = take_look(directory, options.blocks_done, last=options.last)
    except (StoreError, LedgerError, StatsError) as error:
        hint = getattr(error, "hint", "")
        sys.stderr.write(f"error: {error}\n" + (f"hint: {hint}\n" if hint else ""))
        return 1 if isinstance(error, StoreError) else 2
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    return 0


def _opened(name: str, root: Path, maximum: int) -> RunDirectory:
    directory = RunDirectory.open(name, root)
    planned_maximum = directory.run().blocks
    if planned_maximum != maximum:
        raise StoreError(f"{name} has at most {planned_maximum} blocks, not {maximum}")
    return directory


if __name__ == "__main__":
    sys.exit(main())
