"""A judged run keeps its verdicts beside it, whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from support import synthetic

from results import frame
from results.errors import StoreError
from results.ledger.__main__ import main
from results.ledger.claims.load import load
from results.ledger.judge.judge import judge
from results.ledger.outcome import VERDICTS, judge_run, keep
from results.store.store import RunDirectory
from tests.support.drawn_frames import Size, ledger
from tests.support.drawn_frames import frame as simulated


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A finished run of six blocks."""
    return synthetic.write(tmp_path, blocks=6)


def test_floors_stand_in_run_json_and_verdicts_beside_it(run: RunDirectory) -> None:
    keep(run, judge_run(run))
    again = RunDirectory.open(run.path, run.path.parent)
    floors = {(each.workload, each.metric): each for each in again.run().floors}
    assert floors["cpu.sysbench", "events_per_second"].effect is not None
    assert floors["cpu.sysbench", "events_per_second"].blocks >= 5
    document = json.loads((run.path / VERDICTS).read_text())
    assert document["run_id"] == run.run().run_id
    assert document["ledger"] == load().digest
    assert len(document["claims"]) == 20
    assert "NaN" not in (run.path / VERDICTS).read_text()


def test_an_unfinished_run_keeps_its_run_json(run: RunDirectory) -> None:
    run.finish(replace(run.run(), finished_utc=""))
    keep(run, judge_run(run))
    assert RunDirectory.open(run.path, run.path.parent).run().floors == ()
    assert (run.path / VERDICTS).exists()


def test_the_users_claims_in_the_run_are_judged(run: RunDirectory) -> None:
    own = (
        '[[claim]]\nid = "own"\nclaim = "x"\nsource = "y"\nrefuted_by = "z"\n'
        'candidates = ["docker"]\nrule = { kind = "ratio-at-least", factor = 20 }\n'
        '[[claim.part]]\nname = "start"\nworkload = "startup.http"\nmetric = "first_http_200_ns"\n'
    )
    (run.path / "claims.toml").write_text(own)
    outcome = judge_run(run)
    assert outcome.judgement.verdicts[-1].claim == "own"
    assert outcome.judgement.verdicts[-1].verdict == "supported"


def test_a_full_disk_leaves_the_old_verdicts(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keep(run, judge_run(run))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        keep(run, judge_run(run))
    assert path.read_bytes() == before
    assert not list(run.path.glob("*.new"))


def test_the_command_prints_json_and_says_what_is_wrong(
    run: RunDirectory, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    assert main([str(run.path)]) == 0
    assert json.loads(capfdbinary.readouterr().out)["schema"] == 2
    assert main([str(tmp_path / "none")]) == 1
    broken = tmp_path / "broken.toml"
    broken.write_text("claim = 7")
    assert main([str(run.path), "--claims", str(broken), "--dry"]) == 2
    said = capfdbinary.readouterr().err.decode()
    assert "error: no run" in said
    assert "broken.toml:1: claim: Expected `array`, got `int`" in said


def test_simulated_frames_have_the_truth_they_were_given() -> None:
    size = Size(claims=2, arms=4, trials=12, iterations=3)
    samples = simulated(size, noise=0.005, loss=0.3)
    assert len(samples) == size.samples
    assert list(samples.columns) == list(frame.COLUMNS)
    verdicts = judge(ledger(size), samples).verdicts
    assert [each.verdict for each in verdicts] == ["refuted", "refuted"]
