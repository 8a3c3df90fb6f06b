"""``invoke bench`` as a user meets it: nonsense, interrupts, kills, resumes, two at once."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from harness.host import lock
from harness.plan.suites import SUITES
from harness.run.repeats import REPEATS
from results.frame import load
from results.store.store import RunDirectory
from tests.support import traces
from tests.support.command_line import invoke, start

SHORT = ("--backend", "ns", "--workload", "startup.http", "--wait")
ROUNDS = SUITES["quick"].rounds["startup.http"]


def test_the_demonstration_runs_through_without_root_or_engines(tmp_path: Path) -> None:
    ended = invoke(
        "bench", "--backend", "fake", "--blocks", "2", "--seed", "7", "--out", str(tmp_path)
    )
    assert ended.status == 0, ended.stderr
    frame = load(ended.run)
    assert set(frame["backend"]) == {"fake"}
    assert not frame["valid"].any()
    assert all("simulated" in reasons for reasons in frame["reasons"])
    run = json.loads((ended.run / "run.json").read_text(encoding="utf-8"))
    assert run["seed"] == 7
    assert run["finished_utc"]
    for name in ("trials.jsonl", "samples.jsonl", "samples.parquet", "report.html"):
        assert (ended.run / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--backend", "dokcer"), "did you mean docker"),
        (("--backend", "ns:speedy"), "valid: "),
        (("--workload", "cpu.sysbnech"), "did you mean cpu.sysbench"),
        (("--suite", "quik"), "did you mean quick"),
        (("--blocks", "0"), "--blocks 0"),
        (("--blocks", "many"), "not a whole number"),
        (("--cpus", "4096"), "--cpus 4096"),
        (("--cpuset", "0-"), "not a list of CPUs"),
        (("--memory", "lots"), "not a size"),
        (("--resume", "20200101T000000Z-ffffff"), "no run"),
        (("--backend", "fake", "--out", "/proc/nowhere"), "--out"),
    ],
)
def test_nonsense_is_answered_with_what_is_valid(words: tuple[str, ...], says: str) -> None:
    ended = invoke("bench", *words)
    assert ended.status in {2, 3}
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.usefixtures("rootfs")
class TestWithRealBoxes:
    def test_ctrl_c_ends_in_order_and_the_run_resumes(self, tmp_path: Path) -> None:
        with start("bench", *SHORT, "--blocks", "3", "--out", str(tmp_path)) as child:
            run = _wait_for_trials(tmp_path, 3)
            assert traces.of_run(_short(run))
            child.send_signal(signal.SIGINT)
            _, stderr = child.communicate(timeout=60)
        assert child.returncode == 130, stderr
        assert b"Traceback" not in stderr
        assert traces.of_run(_short(run)) == set()
        done = _trials(run, tmp_path)
        ended = invoke("bench", "--resume", run.name, "--wait", "--out", str(tmp_path))
        assert ended.status == 0, ended.stderr
        after = _trials(run, tmp_path)
        assert after[: len(done)] == done
        _assert_complete(after, 3 * ROUNDS * 3)
        assert traces.of_run(_short(run)) == set()

    def test_a_killed_run_is_cleaned_up_and_resumes_losing_nothing(self, tmp_path: Path) -> None:
        with start("bench", *SHORT, "--blocks", "2", "--out", str(tmp_path)) as child:
            run = _wait_for_trials(tmp_path, 2)
            child.kill()
        done = _trials(run, tmp_path)
        short = _short(run)
        assert not lock.is_alive(short)
        cleaned = invoke("clean")
        assert cleaned.status == 0, cleaned.stderr
        assert traces.of_run(short) == set()
        ended = invoke("bench", "--resume", short, "--wait", "--out", str(tmp_path))
        assert ended.status == 0, ended.stderr
        after = _trials(run, tmp_path)
        assert after[: len(done)] == done
        _assert_complete(after, 2 * ROUNDS * 3)
        again = invoke("bench", "--resume", run.name, "--out", str(tmp_path))
        assert again.status == 3
        assert "is finished" in again.stderr

    def test_a_second_run_at_once_is_refused_and_says_who_measures(self, tmp_path: Path) -> None:
        with start("bench", *SHORT, "--blocks", "50", "--out", str(tmp_path)) as child:
            run = _wait_for_trials(tmp_path, 1)
            ended = invoke("bench", "--backend", "ns", "--out", str(tmp_path))
            cleaned = invoke("clean")
            child.send_signal(signal.SIGTERM)
            child.communicate(timeout=60)
        assert ended.status == 4
        assert f"process {child.pid}" in ended.stderr
        assert f"run {_short(run)} is going on: left alone" in cleaned.stdout
        assert child.returncode == 128 + signal.SIGTERM


def _wait_for_trials(runs: Path, count: int) -> Path:
    """The run's directory, once it has recorded ``count`` trials."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for journal in runs.glob("*/trials.jsonl"):
            if journal.read_bytes().count(b"\n") >= count:
                return journal.parent
        time.sleep(0.05)
    raise AssertionError(f"no {count} trials in {runs}")


def _short(run: Path) -> str:
    return run.name.rpartition("-")[2]


def _trials(run: Path, runs: Path) -> list[tuple[str, int]]:
    return [(trial.trial_id, trial.attempt) for trial in RunDirectory.open(run.name, runs).trials()]


def _assert_complete(trials: list[tuple[str, int]], planned: int) -> None:
    """Every planned trial is there; more only where this host disturbed some, within bounds."""
    assert len(set(trials)) == len(trials)
    assert len({trial_id for trial_id, _ in trials}) == planned
    attempts = Counter(trial_id for trial_id, _ in trials)
    assert max(attempts.values()) <= 1 + REPEATS
