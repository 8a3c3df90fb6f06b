"""The main job's own targets, all from one run of the default suite over every backend."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from results.records.records import Run, Trial
from results.store.store import RunDirectory
from tests.perf.conftest import Recorder
from tests.support.boxes_work import boxes_work_s
from tests.support.command_line import invoke

pytestmark = pytest.mark.timeout(2400)  # the job itself is what is timed
QUICK_S = 400.0


@dataclasses.dataclass(frozen=True)
class Measured:
    """One quick run with everything cached."""

    wall_s: float
    run: Run
    trials: tuple[Trial, ...]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """The default suite over all backends, after a short run that fills the caches."""
    out = tmp_path_factory.mktemp("runs")
    warmed = invoke(
        *("bench", "--backend", "all", "--blocks", "1", "--workload", "startup.idle"),
        *("--wait", "--out", str(out)),
    )
    assert warmed.status == 0, warmed.stderr
    begun = time.monotonic()
    ended = invoke("bench", "--backend", "all", "--wait", "--out", str(out), timeout_s=1800)
    wall_s = time.monotonic() - begun
    assert ended.status in {0, 1}, ended.stderr
    directory = RunDirectory.open(ended.run, Path(out))
    return Measured(wall_s, directory.run(), directory.trials())


@pytest.mark.takes(QUICK_S)
def test_quick_bench_cached(entry: Recorder, quick: Measured) -> None:
    entry.figure(
        quick.wall_s,
        "s",
        at_most=480.0,
        target="at most 8 minutes with images cached",
        beside={"trials": len(quick.trials)},
    )


def test_measuring_process_memory(entry: Recorder, quick: Measured) -> None:
    entry.figure(
        quick.run.harness_peak_rss_bytes,
        "B",
        at_most=120e6,
        target="at most 120 MB resident, no pandas",
    )


def test_bookkeeping_per_trial(entry: Recorder, quick: Measured) -> None:
    worst = max(trial.bookkeeping_ns for trial in quick.trials)
    ordered = sorted(trial.bookkeeping_ns for trial in quick.trials)
    entry.figure(
        ordered[len(ordered) // 2],
        "ns",
        at_most=20e6,
        target="at most 20 ms beside the trial itself",
        beside={"largest": worst},
    )


def test_quick_time_outside_boxes_work(entry: Recorder, quick: Measured) -> None:
    working_s = boxes_work_s(quick.trials)
    entry.figure(
        1.0 - working_s / quick.wall_s,
        "of wall time",
        at_most=0.40,
        target="at least 60 % of a quick run's wall time is spent in the boxes' work",
        beside={"in the boxes' work, s": working_s, "wall, s": quick.wall_s},
    )
