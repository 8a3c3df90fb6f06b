"""A bench whose boxes take turns, for real: its slices, and what a kill in their midst leaves."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from results.frame import load
from results.store.store import RunDirectory
from tests.support import traces
from tests.support.command_line import invoke, start

pytestmark = pytest.mark.usefixtures("rootfs")
ARMS = 3
METRICS = {
    "system.call": "mean_ns",
    "cpu.sysbench": "events_per_second",
    "cpu.openssl": "bytes_per_second",
    "network.latency": "latency_p50_ns",
    "network.throughput": "received_bytes_per_second",
}
WORK = ("--backend", "native,ns", "--workload", ",".join(METRICS), "--wait")
SHORT = ("--backend", "native,ns", "--workload", "system.call", "--blocks", "3", "--wait")


def test_every_slice_is_recorded_in_its_place(tmp_path: Path) -> None:
    ended = invoke("bench", *WORK, "--blocks", "1", "--out", str(tmp_path))
    assert ended.status == 0, ended.stderr
    directory = RunDirectory.open(ended.run.name, tmp_path)
    assert {trial.beside for trial in directory.trials()} == {ARMS - 1}
    assert {each.design for each in directory.run().workloads} == {"slices"}
    frame = load(directory)
    for workload, metric in METRICS.items():
        first = frame[frame["block"] == 1]  # of network.latency there are two in each round
        its = first[(first["workload"] == workload) & (first["metric"] == metric)]
        ordered = its.sort_values("place")
        assert ordered["place"].tolist() == list(range(len(its)))
        rounds = ordered["arm"].astype(str).to_numpy().reshape(-1, ARMS)
        assert all(len(set(row)) == ARMS for row in rounds)
        assert all(one[-1] == other[0] for one, other in pairwise(rounds))
        assert len(rounds) > 10
        assert (its["value"] > 0).all()


def test_one_trial_after_another_can_be_asked_for(tmp_path: Path) -> None:
    ended = invoke("bench", *SHORT, "--design", "trials", "--out", str(tmp_path))
    assert ended.status == 0, ended.stderr
    directory = RunDirectory.open(ended.run.name, tmp_path)
    assert {trial.beside for trial in directory.trials()} == {0}
    assert {each.design for each in directory.run().workloads} == {"trials"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_kill_between_slices_leaves_nothing_and_the_block_is_done_again_whole(
    tmp_path: Path, number: signal.Signals
) -> None:
    with start("bench", *SHORT, "--out", str(tmp_path)) as child:
        run = _until(lambda: _run_with(tmp_path, trials=ARMS))
        short = run.name.rpartition("-")[2]
        _until(lambda: len([each for each in traces.of_run(short) if "cgroup" in str(each)]) > 0)
        time.sleep(1.0)  # into the next block's slices
        child.send_signal(number)
        child.communicate(timeout=60)
    done = len(RunDirectory.open(run.name, tmp_path).trials())
    assert done % ARMS == 0
    if number == signal.SIGKILL:
        assert invoke("clean").status == 0
    assert traces.of_run(short) == set()
    ended = invoke("bench", "--resume", run.name, "--wait", "--out", str(tmp_path))
    assert ended.status == 0, ended.stderr
    trials = RunDirectory.open(run.name, tmp_path).trials()
    assert len(trials) == 3 * ARMS
    assert {trial.beside for trial in trials} == {ARMS - 1}
    assert traces.of_run(short) == set()


def _run_with(runs: Path, trials: int) -> Path | None:
    for journal in runs.glob("*/trials.jsonl"):
        if journal.read_bytes().count(b"\n") >= trials:
            return journal.parent
    return None


def _until(found: Callable[[], Path | bool | None]) -> Path:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if answer := found():
            return answer if isinstance(answer, Path) else Path()
        time.sleep(0.05)
    raise AssertionError("it never came to that")
