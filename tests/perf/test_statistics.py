"""Speed of the statistics and the ledger, their memory, and what their intervals cover."""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np
import pytest

from harness.directories import PROJECT
from results.stats import compare
from runtimes import process
from tests.perf.conftest import Recorder
from tests.support.coverage import FAMILIES, SIZES, coverage_table

REPLICATIONS = 1000
VERDICT = """
import json, time
from results.ledger.judge.judge import judge
from tests.support import drawn_frames

size = drawn_frames.Size(claims=20, arms=10, trials=200, iterations=20)
frame = drawn_frames.frame(size)
begun = time.perf_counter()
judgement = judge(drawn_frames.ledger(size), frame)
seconds = time.perf_counter() - begun
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
found = [each.verdict for each in judgement.verdicts]
print(json.dumps([seconds, int(peak.split()[1]) * 1024, len(frame), found]))
"""
"""In a process of its own: its peak is its own, with the frame and the libraries in it."""


@pytest.fixture(scope="module")
def verdicts() -> list[tuple[float, int]]:
    """Seconds and peak bytes of three full verdicts."""
    return [_verdict() for _ in range(3)]


def _verdict() -> tuple[float, int]:
    done = process.run([sys.executable, "-c", VERDICT], timeout_s=120, cwd=PROJECT)
    seconds, peak_bytes, samples, found = json.loads(done.stdout)
    assert samples == 20 * 10 * 200 * 20
    assert found == ["supported"] * 20
    return float(seconds), int(peak_bytes)


def test_compare_fifty(entry: Recorder) -> None:
    rng = np.random.default_rng(50)
    baseline, candidate = np.exp(0.03 * rng.standard_normal((2, 50)))
    times = []
    for _ in range(200):
        begun = time.perf_counter()
        compare(baseline, candidate, margin=0.05)
        times.append(time.perf_counter() - begun)
    entry.figure(
        statistics.median(times),
        "s",
        at_most=0.030,
        target="compare on 50 trials in less than 30 ms",
        beside={"slowest": max(times)},
    )


def test_full_verdict_time(entry: Recorder, verdicts: list[tuple[float, int]]) -> None:
    seconds = [took_s for took_s, _ in verdicts]
    entry.figure(
        statistics.median(seconds),
        "s",
        at_most=5.0,
        target="20 claims × 10 arms × 200 trials × 20 iterations in less than 5 s",
        beside={"slowest": max(seconds)},
    )


def test_full_verdict_memory(entry: Recorder, verdicts: list[tuple[float, int]]) -> None:
    entry.figure(
        max(peak_bytes for _, peak_bytes in verdicts),
        "B",
        at_most=500e6,
        target="20 claims × 10 arms × 200 trials × 20 iterations in less than 500 MB",
    )


def test_interval_coverage(entry: Recorder) -> None:
    """The least of all families, sizes and designs; told as the share that misses."""
    rows = coverage_table(REPLICATIONS)
    worst = min(rows, key=lambda row: row.covered)
    assert {row.n for row in rows} == set(SIZES)
    entry.figure(
        1.0 - worst.covered,
        "of intervals",
        at_most=0.07,
        target="95 % intervals cover at least 93 % of the time, in every cell",
        beside={
            **{
                f"{family} misses": max(1.0 - row.covered for row in rows if row.family == family)
                for family in FAMILIES
            },
            "declined": max(row.declined for row in rows),
        },
    )
