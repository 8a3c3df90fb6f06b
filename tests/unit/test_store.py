"""The journal loses no finished trial and lets nothing foreign through."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import synthetic

from results import store
from results.errors import StoreError
from results.journal import LINE_LIMIT_BYTES, Appender, Journal
from results.records import SCHEMA, Sample, Trial
from results.store import RunDirectory


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests kill no machine: what is synced when has a test of its own."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(os, "fdatasync", lambda _: None)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run of two blocks with all its trials."""
    return synthetic.write(tmp_path, blocks=2)


def some(run: RunDirectory, trial_id: str, attempt: int = 1) -> tuple[Trial, list[Sample]]:
    """A new trial with samples for ``run``."""
    trial, samples = next(synthetic.make_trials(run.run()))
    marks = {"trial_id": trial_id, "attempt": attempt}
    return replace(trial, **marks), [replace(sample, **marks) for sample in samples]


def test_what_was_written_is_read_back_equal(run: RunDirectory) -> None:
    written = list(synthetic.make_trials(run.run()))
    again = RunDirectory.open(run.path, run.path.parent)
    assert again.run() == run.run()
    assert list(again.trials()) == [trial for trial, _ in written]
    assert list(again.samples()) == [sample for _, samples in written for sample in samples]


def test_a_run_is_found_by_path_name_and_short_id(run: RunDirectory) -> None:
    root = run.path.parent
    for name in (run.path, run.path.name, "3fa9c1"):
        assert RunDirectory.open(name, root).path == run.path
    assert store.latest(root).path == run.path


def test_an_unknown_run_lists_the_latest_names(run: RunDirectory) -> None:
    for name in ("20200101T000000Z-000000", "../../etc", "", "a\0b", "x" * 5000):
        with pytest.raises(StoreError) as error:
            RunDirectory.open(name, run.path.parent)
        assert run.path.name in error.value.hint


def test_a_run_is_never_overwritten(run: RunDirectory) -> None:
    with pytest.raises(StoreError, match="exists"):
        RunDirectory.create(run.path.parent, run.run())


def test_a_name_that_is_no_run_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a run id"):
        RunDirectory.create(tmp_path, replace(synthetic.make_run(), run_id="../elsewhere"))
    assert not list(tmp_path.iterdir())


def test_a_trial_torn_at_any_byte_is_ignored_and_cut_off_on_resume(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, synthetic.make_run(blocks=1))
    with run:
        run.append(*some(run, "whole"))
        whole = (run.path / "trials.jsonl").stat().st_size
        run.append(*some(run, "torn"))
    data = (run.path / "trials.jsonl").read_bytes()
    for end in range(whole, len(data)):
        (run.path / "trials.jsonl").write_bytes(data[:end])
        again = RunDirectory.open(run.path, tmp_path)
        assert [trial.trial_id for trial in again.trials()] == ["whole"]
        assert {sample.trial_id for sample in again.samples()} == {"whole"}
        with again:
            assert again.next_attempt("torn") == 2  # its samples of attempt 1 are there
        assert (run.path / "trials.jsonl").read_bytes() == data[:whole]


def test_samples_torn_at_any_byte_leave_the_trials_before_them_whole(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, synthetic.make_run(blocks=1))
    with run:
        run.append(*some(run, "whole"))
    whole = (run.path / "samples.jsonl").read_bytes()
    torn = whole.replace(b'"whole"', b'"torn"')
    for end in range(0, len(torn), 7):
        (run.path / "samples.jsonl").write_bytes(whole + torn[:end])
        with RunDirectory.open(run.path, tmp_path) as again:
            count = len(list(again.samples()))
            assert count == whole.count(b"\n")
            again.append(*some(again, "after"))
            assert len(list(again.samples())) == 2 * count
        (run.path / "trials.jsonl").write_bytes(
            (run.path / "trials.jsonl").read_bytes().split(b"\n")[0] + b"\n"
        )


def test_samples_without_their_trials_record_do_not_count(run: RunDirectory) -> None:
    before = list(run.samples())
    _, samples = some(run, "killed")
    with (run.path / "samples.jsonl").open("ab") as file:
        file.writelines(store.encode(sample) for sample in samples)
    assert list(RunDirectory.open(run.path, run.path.parent).samples()) == before


def test_an_attempt_is_recorded_once(run: RunDirectory) -> None:
    with run:
        run.append(*some(run, "new"))
        with pytest.raises(StoreError, match="already recorded"):
            run.append(*some(run, "new"))
        run.append(*some(run, "new", attempt=2))
    assert [trial.attempt for trial in run.trials() if trial.trial_id == "new"] == [1, 2]


def test_two_writers_do_not_meet(run: RunDirectory) -> None:
    with run:
        run.append(*some(run, "new"))
        other = RunDirectory.open(run.path, run.path.parent)
        assert other.trials()
        with pytest.raises(StoreError, match="another process"):
            other.append(*some(other, "newer"))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "not valid JSON": lambda line: line[: len(line) // 2],
    "not a valid record": lambda line: line.replace(b'"block":0', b'"block":"zero"'),
    "missing required field": lambda _: b"{}",
    "Expected `object`": lambda _: b"[1,2]",
    "cannot be negative": lambda line: line.replace(b'"attempt":1', b'"attempt":-1'),
    "belongs to the run": lambda line: line.replace(b"3fa9c1", b"000000"),
    "second time": lambda line: line + b"\n" + line,
    "longer than 1 MiB": lambda line: line.replace(b'"tail":"', b'"tail":"' + b"x" * (1 << 20)),
    "deeply": lambda line: line.replace(
        b'"limits_inside":{', b'"limits_inside":{"deep":' + b"[" * 20_000 + b"]" * 20_000 + b","
    ),
    "not valid": lambda line: line.replace(b"2026-11-24", b"\xff\xfe"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_in_the_middle_is_named_by_file_and_line(run: RunDirectory, what: str) -> None:
    path = run.path / "trials.jsonl"
    lines = path.read_bytes().splitlines()
    lines[3] = DAMAGE[what](lines[3])
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(StoreError, match=what) as error:
        RunDirectory.open(run.path, run.path.parent).trials()
    assert f"trials.jsonl:{5 if what == 'second time' else 4}:" in str(error.value)
    assert error.value.hint


@pytest.mark.parametrize("value", ["NaN", "1e999", "Infinity", "null", '"12"', "true", "-"])
def test_a_sample_whose_value_is_no_finite_number_is_named(run: RunDirectory, value: str) -> None:
    path = run.path / "samples.jsonl"
    lines = path.read_text().splitlines()
    record = json.loads(lines[2])
    lines[2] = lines[2].replace(f'"value":{record["value"]}', f'"value":{value}')
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError, match=r"samples\.jsonl:3:"):
        list(RunDirectory.open(run.path, run.path.parent).samples())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_never_written(run: RunDirectory, value: float) -> None:
    before = (run.path / "samples.jsonl").read_bytes()
    trial, samples = some(run, "new")
    with run, pytest.raises(StoreError, match=r"is (nan|inf|-inf)"):
        run.append(trial, [replace(samples[0], value=value)])
    assert (run.path / "samples.jsonl").read_bytes() == before


def test_a_record_over_the_limit_is_never_written(run: RunDirectory) -> None:
    trial, samples = some(run, "new")
    before = (run.path / "samples.jsonl").read_bytes()
    with run, pytest.raises(StoreError, match="over the limit"):
        run.append(replace(trial, tail="x" * LINE_LIMIT_BYTES), samples)
    assert (run.path / "samples.jsonl").read_bytes() == before


def test_text_that_is_not_unicode_is_refused(run: RunDirectory) -> None:
    trial, samples = some(run, "new")
    with run, pytest.raises(StoreError, match="cannot be written"):
        run.append(replace(trial, tail="\ud800"), samples)


def test_samples_are_synced_before_their_trial_is_written(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def named(call: str, fd: int) -> None:
        calls.append(f"{call} {Path(f'/proc/self/fd/{fd}').readlink().name}")

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        named("write", fd)
        return real(fd, data, offset)

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(os, "fdatasync", lambda fd: named("sync", fd))
    with run:
        run.append(*some(run, "new"))
    assert calls == [
        "write samples.jsonl",
        "sync samples.jsonl",
        "write trials.jsonl",
        "sync trials.jsonl",
    ]


def test_a_full_disk_leaves_the_journal_as_it_was(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (run.path / "samples.jsonl").read_bytes()

    def half_then_full(fd: int, data: bytes, offset: int) -> int:
        if offset > len(before):
            raise OSError(errno.ENOSPC, "No space left on device")
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data[: len(data) // 2])

    with run:
        run.next_attempt("new")
        monkeypatch.setattr(os, "pwrite", half_then_full)
        with pytest.raises(StoreError, match="No space left"):
            run.append(*some(run, "new"))
        monkeypatch.undo()
        assert (run.path / "samples.jsonl").read_bytes() == before
        run.append(*some(run, "new"))
    assert run.trials()[-1].trial_id == "new"


def test_a_newer_schema_is_told_apart_from_damage(run: RunDirectory) -> None:
    path = run.path / "run.json"
    path.write_text(path.read_text().replace(f'"schema": {SCHEMA}', f'"schema": {SCHEMA + 1}'))
    with pytest.raises(StoreError, match="newer than ours"):
        RunDirectory.open(run.path, run.path.parent)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"schema":"x"}', b"[" * 99_999])
def test_a_damaged_run_json_is_an_error_not_a_traceback(run: RunDirectory, content: bytes) -> None:
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"run\.json"):
        RunDirectory.open(run.path, run.path.parent)


def test_run_json_is_replaced_whole_when_finished(run: RunDirectory) -> None:
    ended = replace(run.run(), finished_utc="2026-11-24T05:00:00Z")
    run.finish(ended)
    assert RunDirectory.open(run.path, run.path.parent).run() == ended
    assert not list(run.path.glob("*.new"))
    with pytest.raises(StoreError, match="cannot finish"):
        run.finish(replace(ended, run_id="20200101T000000Z-000000"))


def test_names_come_latest_first_and_ignore_strangers(tmp_path: Path) -> None:
    for name in ("20260101T000000Z-aaaaaa", "20270101T000000Z-bbbbbb"):
        RunDirectory.create(tmp_path, replace(synthetic.make_run(), run_id=name))
    (tmp_path / "notes").mkdir()
    assert store.names(tmp_path) == ["20270101T000000Z-bbbbbb", "20260101T000000Z-aaaaaa"]
    with pytest.raises(StoreError, match="no run in"):
        store.latest(tmp_path / "missing")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(Sample, TEXT, TEXT, st.integers(1, 2**40), st.integers(0, 2**40), TEXT,
                          TEXT, TEXT, TEXT, TEXT, st.sampled_from(["higher", "lower"]),
                          st.integers(0, 2**40), FINITE, st.booleans(),
                          st.lists(TEXT, max_size=3).map(tuple)), max_size=5))  # fmt: skip
def test_any_sample_survives_the_journal(
    tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "samples.jsonl"
    writer = Appender(path)
    writer.append([store.encode(sample) for sample in samples])
    writer.close()
    assert list(Journal(path, Sample)) == samples


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_an_error_with_a_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("journal") / "trials.jsonl"
    path.write_bytes(data)
    if b"\n" not in data:
        assert list(Journal(path, Trial)) == []
        return
    with pytest.raises(StoreError, match=r"trials\.jsonl:\d+: "):
        list(Journal(path, Trial))
