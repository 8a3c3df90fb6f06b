"""Slices against trials one after another: how wide an interval equal measuring time leaves.

Both designs run block by block in turn, on the same boxes' backends, so that the host does to one
what it does to the other.
"""

from __future__ import annotations

import contextlib
import math
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from harness.cli.bench import equipped
from harness.host import lock
from harness.plan.plan import Request, make_plan
from harness.plan.schedule import Slot, schedule
from harness.prepare.prepare import prepared
from harness.progress.progress import TerminalObserver
from harness.trial.box import started
from harness.trial.context import Context
from harness.trial.slices.block import run_block, together
from harness.trial.trial import run_trial
from results.frame import COLUMNS, NO_SLICE
from results.ledger.judge.evidence import gather
from results.records.records import Sample, arm_name
from results.stats import compare
from runtimes import process
from tests.perf.conftest import Recorder
from tests.support.turn_taker import taking_turns

pytestmark = pytest.mark.timeout(900)
WORKLOADS = "cpu.sysbench,cpu.openssl,memory.latency,memory.stream"
BLOCKS = 5
"""The fewest that give an interval."""
BASELINE = "native"


@contextlib.contextmanager
def measuring(
    backends: str, workloads: str, tmp_path: Path
) -> Iterator[tuple[Context, list[Slot]]]:
    """Everything that trials need, as a bench prepares it, and every slot in order."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    equipment = equipped(str(tmp_path))
    request = Request(backend=backends, workload=workloads, blocks=BLOCKS, seed=46)
    plan = make_plan(request, equipment.runtimes, equipment.workloads)
    observer = TerminalObserver(Console(stderr=True), equipment.clock)
    with (
        lock.measuring(wait=True, told=observer.note),
        lock.alive(plan.run),
        prepared(plan, equipment, observer) as ready,
    ):
        context = ready.context
        context.harness_cpus = frozenset(plan.allotment.harness_cpus)
        slots = list(schedule(ready.plan.arms, list(plan.workloads), blocks=BLOCKS, seed=plan.seed))
        yield context, slots


def half_widths(context: Context, slots: Iterable[Slot]) -> dict[tuple[str, str, str], float]:
    """(design, workload, arm) → half of the 95 % interval of its ratio to native, as a log."""
    blocks: dict[tuple[str, int], list[Slot]] = defaultdict(list)
    for slot in slots:
        blocks[slot.workload, slot.block].append(slot)
    samples: dict[str, list[Sample]] = {"slices": [], "trials": []}
    for number, block in enumerate(blocks.values()):
        designs = list(samples)
        for design in designs if number % 2 else reversed(designs):
            samples[design] += _measured(context, block, design)
    found = {}
    for design, its in samples.items():
        evidence = gather(_frame(its))
        for workload, metric in sorted(evidence.metrics):
            if metric != _primary(context, workload):
                continue
            base = evidence.of(workload, metric, BASELINE)
            for arm in evidence.arms:
                other = evidence.of(workload, metric, arm)
                if arm == BASELINE or len(other.means) < BLOCKS:
                    continue
                pair = (base.blocks.tolist(), other.blocks.tolist())
                told = compare(base.means, other.means, margin=0.02, blocks=pair)
                assert told.low is not None
                assert told.high is not None
                found[design, workload, arm] = math.log(told.high / told.low) / 2
    return found


def _measured(context: Context, block: list[Slot], design: str) -> list[Sample]:
    if design == "trials":
        return [sample for slot in block for sample in run_trial(context, slot, 1)[1]]
    context.sliced = frozenset({block[0].workload})
    assert together(context, block) == block
    return [sample for _, its in run_block(context, block, lambda _: 1) for sample in its]


def _primary(context: Context, workload: str) -> str:
    return next(each.name for each in context.workloads[workload].metrics if each.primary)


def _frame(samples: list[Sample]) -> pd.DataFrame:
    rows = [
        {name: getattr(sample, name, "") for name in COLUMNS}
        | {
            "arm": arm_name(sample.backend, sample.profile),
            "resource": sample.workload.partition(".")[0],
            # Gates are another matter: here both designs keep all they measured.
            "valid": sample.iteration > 0,
            "reasons": "" if sample.iteration > 0 else "warm-up",
            "place": NO_SLICE if sample.place is None else sample.place,
        }
        for sample in samples
    ]
    texts = ("arm", "workload", "metric", "trial_id", "reasons", "unit", "direction")
    return pd.DataFrame(rows).astype(dict.fromkeys(texts, "category"))


def _told(entry: Recorder, widths: dict[tuple[str, str, str], float], at_most: float) -> None:
    """Slices ÷ trials, of the workload that gains least: a mean would hide it behind the others.

    Over a workload's arms it is the geometric mean, since these are ratios.
    """
    ratios: dict[str, list[float]] = defaultdict(list)
    beside: dict[str, float] = {}
    for (design, workload, arm), width in widths.items():
        beside[f"{workload} {arm} {design}, half-width in %"] = 100 * width
        if design == "slices":
            ratios[workload].append(width / widths["trials", workload, arm])
    each = {workload: statistics.geometric_mean(values) for workload, values in ratios.items()}
    entry.figure(
        max(each.values()),
        "× the half-width of trials",
        at_most=at_most,
        target=f"intervals at most {at_most:g} × as wide in each workload, at equal measuring time",
        beside={**each, **beside},
    )


@pytest.mark.takes(260)
def test_slices_on_a_clock_of_two_speeds(entry: Recorder, tmp_path: Path) -> None:
    docker = ",docker" if process.find("dockerd") else ""
    with (
        measuring(f"native,ns{docker}", WORKLOADS, tmp_path) as (context, slots),
        taking_turns(f"tb-perf-{context.run}", context.limits.cpus[0]),
    ):
        widths = half_widths(context, slots)
    _told(entry, widths, at_most=0.5)


@pytest.mark.takes(60)
def test_slices_on_a_quiet_host(entry: Recorder, tmp_path: Path) -> None:
    with measuring("native", "cpu.sysbench,memory.latency", tmp_path) as (context, slots):
        widths = half_widths(context, slots)
    _told(entry, widths, at_most=1.0)


IDLE_S = 8.0


@pytest.mark.takes(25)
def test_idle_boxes(entry: Recorder, tmp_path: Path) -> None:
    """What boxes that wait for their turn take of a CPU, daemons and helpers included."""
    docker = ",docker" if process.find("dockerd") else ""
    with (
        measuring(f"native,ns{docker}", "system.call", tmp_path) as (context, slots),
        contextlib.ExitStack() as room,
    ):
        boxes = [
            room.enter_context(started(context, slot.arm.backend, slot.arm.profile))
            for slot in slots[: len({each.arm for each in slots})]
        ]
        daemons = {pid for engine in context.engines.values() for pid in engine.daemon_pids()}
        pids = daemons | {pid for box in boxes for pid in box.instance.stats().pids}
        assert len(pids) >= len(boxes)
        time.sleep(1.0)  # what starting them set going has ended
        before = _on_cpu_ns(pids)
        time.sleep(IDLE_S)
        spent = {pid: ns - before.get(pid, 0) for pid, ns in _on_cpu_ns(pids).items()}
    share = sum(spent.values()) / (IDLE_S * 1e9)
    entry.figure(
        100 * share,
        "% of a CPU",
        at_most=0.5,
        target="all boxes of a block, waiting: at most 0.5 % of a CPU",
        beside={
            "boxes": len(boxes),
            "of daemons": 100 * sum(spent.get(pid, 0) for pid in daemons) / (IDLE_S * 1e9),
        },
    )


def _on_cpu_ns(pids: Iterable[int]) -> dict[int, int]:
    """Time on a CPU of every thread of these processes (schedstat of proc(5))."""
    found: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
            found[pid] = sum(int(each.read_text().split()[0]) for each in tasks)
    return found
