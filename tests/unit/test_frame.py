"""The frame holds what the journal holds, typed, and so does its Parquet copy."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support import parquet, synthetic

from results import frame
from results.store.store import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run of three blocks."""
    return synthetic.write(tmp_path, blocks=3)


def test_the_frame_has_the_documented_columns_and_types(run: RunDirectory) -> None:
    samples = frame.load(run)
    assert tuple(samples.columns) == frame.COLUMNS
    types = {name: str(dtype) for name, dtype in samples.dtypes.items()}
    assert types["value"] == "float64"
    assert types["valid"] == "bool"
    assert {types[name] for name in ("block", "attempt", "iteration")} == {"int64"}
    assert {types[name] for name in ("arm", "workload", "metric", "reasons")} == {"category"}


def test_each_sample_is_one_row_in_the_journals_order(run: RunDirectory) -> None:
    samples = frame.load(run)
    written = list(run.samples())
    assert samples["value"].tolist() == [sample.value for sample in written]
    assert samples["trial_id"].tolist() == [sample.trial_id for sample in written]


def test_arms_resources_and_reasons_are_derived(run: RunDirectory) -> None:
    samples = frame.load(run)
    assert set(samples["arm"]) == {"native", "native:aa", "ns", "docker", "kvm"}
    assert set(samples.loc[samples["workload"] == "network.http", "resource"]) == {"network"}
    assert set(samples.loc[samples["arm"] == "kvm", "reasons"]) == {"emulated"}
    assert not samples.loc[samples["arm"] == "kvm", "valid"].any()
    assert "" in set(samples["reasons"])


def test_a_run_is_loaded_by_path_name_or_open_directory(run: RunDirectory) -> None:
    expected = frame.load(run)
    for name in (run.path, str(run.path)):
        pd.testing.assert_frame_equal(frame.load(name), expected)
    pd.testing.assert_frame_equal(frame.load(run.path.name, run.path.parent), expected)


@pytest.mark.parametrize("hostile", ["", synthetic.HOSTILE, "é\u202e\U0001f4a9"])
def test_parquet_read_back_equals_the_journal(tmp_path: Path, hostile: str) -> None:
    run = synthetic.write(tmp_path / "it's a root", blocks=2, hostile=hostile)
    path = frame.write_parquet(run)
    pd.testing.assert_frame_equal(parquet.read(path), frame.load(run))
    assert not list(run.path.glob("*.new"))


def test_a_run_without_trials_is_an_empty_frame(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, synthetic.make_run())
    samples = frame.load(run)
    assert len(samples) == 0
    assert tuple(samples.columns) == frame.COLUMNS
    pd.testing.assert_frame_equal(parquet.read(frame.write_parquet(run)), samples)
    assert len(frame.load_trials(run)) == 0


def test_trials_have_one_row_each_with_status_and_phases(run: RunDirectory) -> None:
    trials = frame.load_trials(run)
    assert len(trials) == len(run.trials())
    assert set(trials["status"]) == {"ok", "invalid", "failed"}
    assert str(trials["http_200_ns"].dtype) == "Int64"
    failed = trials[trials["status"] == "failed"]
    assert (failed["error"] != "").all()


def test_the_mean_of_what_a_journal_may_hold_is_a_float() -> None:
    largest = 1.7e308
    pairs = {"a": (largest, largest), "b": (1.0, 2.0), "c": (-largest, -largest)}
    rows = [(arm, value) for arm, values in pairs.items() for value in values]
    means = frame.means_by(pd.DataFrame(rows, columns=["arm", "value"]), ["arm"])
    assert means["mean"].tolist() == [largest, 1.5, -largest]
    assert means["size"].tolist() == [2, 2, 2]
