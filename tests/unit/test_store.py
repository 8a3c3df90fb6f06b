"""The journal loses no finished trial and lets nothing foreign through."""

from __future__ import annotations

import errno
import fcntl
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

from results.errors import StoreError
from results.records.records import SCHEMA, Sample, Trial
from results.store import store
from results.store.journal import LINE_LIMIT_BYTES, Appender, Journal, encode
from results.store.store import RunDirectory


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
    unsealed = [replace(trial, sample_count=None, digest="") for trial in again.trials()]
    assert unsealed == [trial for trial, _ in written]
    assert [trial.sample_count for trial in again.trials()] == [len(each) for _, each in written]
    assert again.contents().damaged == again.contents().unchecked == 0
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


@pytest.mark.slow
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


def test_whoever_may_read_a_journal_cannot_keep_its_writer_out(run: RunDirectory) -> None:
    with (run.path / "samples.jsonl").open() as file, (run.path / "trials.jsonl").open() as other:
        for stranger in (file, other):
            fcntl.flock(stranger, fcntl.LOCK_SH)
        with run:
            run.append(*some(run, "locked"))
    locks = sorted(path.name for path in run.path.glob(".*.lock"))
    assert locks == [".samples.jsonl.lock", ".trials.jsonl.lock"]
    assert {(run.path / name).stat().st_mode & 0o777 for name in locks} == {0o600}


def test_no_lock_is_made_through_a_link(run: RunDirectory, tmp_path: Path) -> None:
    lock = run.path / ".samples.jsonl.lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="samples"):
        run.append(*some(run, "locked"))
    assert not (tmp_path / "elsewhere").exists()


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
    ">= 1": lambda line: line.replace(b'"attempt":1', b'"attempt":-1'),
    ">= 0": lambda line: line.replace(b'"block":0', b'"block":-1'),
    "<= 9007199254740992": lambda line: line.replace(b'"block":0', b'"block":9223372036854775808'),
    "the run has 2": lambda line: line.replace(b'"block":0', b'"block":1000000000000'),
    "belongs to the run": lambda line: line.replace(b"3fa9c1", b"000000"),
    "second time": lambda line: line + b"\n" + line,
    "longer than 1 MiB": lambda line: line.replace(b'"tail":"', b'"tail":"' + b"x" * (1 << 20)),
    "deeply": lambda line: line.replace(
        b'"limits_inside":{', b'"limits_inside":{"deep":' + b"[" * 20_000 + b"]" * 20_000 + b","
    ),
    "not valid": lambda line: line.replace(b"2026-11-24", b"\xff\xfe"),
    "NUL": lambda line: b"\0" * len(line),
    "not as they were written": lambda line: line.replace(b'"position":', b'"position":1'),
    "lacks the digest": lambda line: line.replace(b'"digest"', b'"disgust"'),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_record_is_named_by_file_and_line_and_left_out(
    run: RunDirectory, what: str
) -> None:
    path, before = run.path / "trials.jsonl", run.trials()
    lines = path.read_bytes().splitlines()
    lines[3] = DAMAGE[what](lines[3])
    path.write_bytes(b"\n".join(lines) + b"\n")
    again = RunDirectory.open(run.path, run.path.parent)
    said = [str(each) for each in again.contents().damage]
    place = f"trials.jsonl:{5 if what == 'second time' else 4}: "
    assert any(each.startswith(place) and (what == "NUL" or what in each) for each in said), said
    kept = before if what == "second time" else (*before[:3], *before[4:])
    assert again.trials() == kept
    assert {sample.trial_id for sample in again.samples()} <= {trial.trial_id for trial in kept}


@pytest.mark.parametrize(
    "value", ["NaN", "1e999", "Infinity", "null", '"12"', "true", "-", "1e308", "0", "-1"]
)
def test_a_trial_with_another_value_than_was_written_does_not_count(
    run: RunDirectory, value: str
) -> None:
    path = run.path / "samples.jsonl"
    lines = path.read_text().splitlines()
    record = json.loads(lines[2])
    lines[2] = lines[2].replace(f'"value":{record["value"]}', f'"value":{value}')
    path.write_text("\n".join(lines) + "\n")
    again = RunDirectory.open(run.path, run.path.parent)
    said = "\n".join(map(str, again.contents().damage))
    decodes = value in {"1e308", "0", "-1"}
    assert ("samples.jsonl:3: " in said) is not decodes
    assert "(attempt 1) does not count" in said
    assert record["trial_id"] not in {trial.trial_id for trial in again.trials()}
    assert record["trial_id"] not in {sample.trial_id for sample in again.samples()}
    assert len(again.trials()) == len(run.trials()) or again.contents().damaged


SAMPLE_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[:-20],
    "without its record": lambda data: data.replace(b"/0/", b"/9/", 1),
    "belongs to the run": lambda data: data.replace(b"3fa9c1", b"000000", 1),
    "is not that of": lambda data: data.replace(b'"backend":"', b'"backend":"x', 1),
    "<= 9007199254740992": lambda data: data.replace(
        b'"iteration":0', b'"iteration":9223372036854775808', 1
    ),
    "it is not there": lambda _: b"",
    "there": lambda data: b"".join(data.splitlines(keepends=True)[: data.count(b"\n") // 2]),
}


@pytest.mark.parametrize("what", SAMPLE_DAMAGE)
def test_lost_and_foreign_samples_are_named_and_their_trials_do_not_count(
    run: RunDirectory, what: str
) -> None:
    path, before = run.path / "samples.jsonl", list(run.samples())
    path.write_bytes(SAMPLE_DAMAGE[what](path.read_bytes()))
    if what == "it is not there":
        path.unlink()
    again = RunDirectory.open(run.path, run.path.parent)
    contents = again.contents()
    assert any(what in str(each) for each in contents.damage), contents.damage
    counting = contents.keys
    whole = [sample for sample in before if (sample.trial_id, sample.attempt) in counting]
    assert list(again.samples()) == whole
    assert len(whole) < len(before)


def test_an_older_runs_trials_count_unchecked(run: RunDirectory) -> None:
    before = run.trials()
    older(run)
    again = RunDirectory.open(run.path, run.path.parent)
    assert again.contents().damaged == 0
    assert again.contents().unchecked == len(again.trials()) == len(before)
    lines = (run.path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (run.path / "samples.jsonl").write_bytes(b"".join([lines[0], *lines]))
    said = [str(each) for each in again.contents().damage]
    assert len(said) == 1
    assert said[0].startswith("samples.jsonl:2: ")
    assert "second time" in said[0]
    (run.path / "samples.jsonl").write_bytes(b"")
    assert {trial.status for trial in again.trials()} == {"failed"}
    assert again.contents().damaged == sum(trial.status != "failed" for trial in before)


def older(run: RunDirectory) -> None:
    """Make it as runs were before records carried digests."""
    trials = [json.loads(x) for x in (run.path / "trials.jsonl").read_text().splitlines()]
    for trial in trials:
        del trial["sample_count"], trial["digest"]
    text = "".join(json.dumps(trial, separators=(",", ":")) + "\n" for trial in trials)
    (run.path / "trials.jsonl").write_text(text)
    record = json.loads((run.path / "run.json").read_text())
    del record["digests"], record["trials"], record["abandoned"]
    (run.path / "run.json").write_text(json.dumps(record))


def test_records_lost_from_a_finished_run_are_told(run: RunDirectory) -> None:
    path = run.path / "trials.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-9]))
    (run.path / "samples.jsonl").write_bytes(
        b"".join(encode(sample) for sample in run.samples() if sample.workload != "footprint.idle")
    )
    again = RunDirectory.open(run.path, run.path.parent)
    said = " ".join(map(str, again.contents().damage))
    assert f"run.json counts {len(lines)} trials, {len(lines) - 9} are recorded" in said
    assert again.run().trials == len(lines)
    run.finish(again.run())  # written once more, not counted anew
    assert again.run().trials == len(lines)


def test_what_a_kill_left_is_no_damage_in_a_run_that_ended_without_repeating_it(
    tmp_path: Path,
) -> None:
    run = RunDirectory.create(tmp_path, synthetic.make_run(blocks=1))
    with run:
        run.append(*some(run, "whole"))
    _, samples = some(run, "killed")
    with (run.path / "samples.jsonl").open("ab") as file:
        file.writelines(encode(sample) for sample in samples)
    with RunDirectory.open(run.path, tmp_path) as again:
        assert again.contents().pending == (("killed", 1),)
        again.append(*some(again, "after"))
        again.finish(replace(again.run(), finished_utc="2026-11-24T05:00:00Z"))
    ended = RunDirectory.open(run.path, tmp_path)
    assert ended.contents().damage == ()
    assert ended.run().abandoned == (("killed", 1),)
    assert {trial.trial_id for trial in ended.trials()} == {"whole", "after"}


@pytest.mark.parametrize("name", ["samples.jsonl", "trials.jsonl"])
def test_writing_never_makes_a_lost_journal_anew(run: RunDirectory, name: str) -> None:
    (run.path / name).unlink()
    again = RunDirectory.open(run.path, run.path.parent)
    with again, pytest.raises(StoreError, match=f"{name}: it is not there") as error:
        again.append(*some(again, "new"))
    assert "empty one" in error.value.hint
    assert not (run.path / name).exists()
    assert any(each.place == name for each in again.contents().damage)


@pytest.mark.parametrize("name", ["samples.jsonl", "run.json"])
def test_a_pipe_in_a_files_place_is_an_error_and_waits_for_nobody(
    run: RunDirectory, name: str
) -> None:
    (run.path / name).unlink()
    os.mkfifo(run.path / name)
    with pytest.raises(StoreError, match=rf"{name}: |no run"):
        RunDirectory.open(run.path, run.path.parent).trials()


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


RUN_DAMAGE = {
    "schema": [0, -3, "x", None],
    "blocks": [-1, 10**12, None, 1.5],
    "run_id": ["../../etc", "", 3],
    "size": [{"seconds": -1}, None],
    "rounds": [{"cpu.sysbench": 0}, {"cpu.sysbench": 10**9}],
    "limits": [None, []],
    "arms": [[{}], None],
    "budget_s": ["x", -1.0],
    "trials": [-1],
}


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, vs in RUN_DAMAGE.items() for v in vs])
def test_an_odd_value_in_run_json_is_named(run: RunDirectory, key: str, value: object) -> None:
    record = json.loads((run.path / "run.json").read_text())
    record[key] = value
    (run.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(StoreError, match=rf"run\.json: .*({key}|is no run id)") as error:
        RunDirectory.open(run.path, run.path.parent)
    assert error.value.hint


def test_an_arm_or_a_workload_that_is_named_twice_is_refused(run: RunDirectory) -> None:
    for name in ("arms", "workloads"):
        record = json.loads((run.path / "run.json").read_text())
        record[name].append(record[name][0])
        path = run.path / "run.json"
        before = path.read_text()
        path.write_text(json.dumps(record))
        with pytest.raises(StoreError, match="named twice"):
            RunDirectory.open(run.path, run.path.parent)
        path.write_text(before)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"schema":"x"}', b"[" * 99_999])
def test_a_damaged_run_json_is_an_error_not_a_traceback(run: RunDirectory, content: bytes) -> None:
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"run\.json"):
        RunDirectory.open(run.path, run.path.parent)


def test_run_json_is_replaced_whole_when_finished(run: RunDirectory) -> None:
    ended = replace(run.run(), finished_utc="2026-11-24T05:00:00Z")
    run.finish(ended)
    again = RunDirectory.open(run.path, run.path.parent).run()
    assert again == run.run()
    assert again.finished_utc == ended.finished_utc
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
    path.touch()
    writer = Appender(path)
    writer.append([store.encode(sample) for sample in samples])
    writer.close()
    assert [line.record for line in Journal(path, Sample)] == samples


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_lines_without_a_record_and_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("journal") / "trials.jsonl"
    path.write_bytes(data)
    lines = list(Journal(path, Trial))
    assert b"".join(line.data for line in lines) == data
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert all(line.record is None and line.why for line in lines)
    assert [line.torn for line in lines[:-1]] == [False] * len(lines[:-1])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_changed_byte_of_a_run_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    run = synthetic.write(tmp_path_factory.mktemp("run"), blocks=1)
    path = run.path / data.draw(st.sampled_from(["trials.jsonl", "samples.jsonl"]))
    before, content = run.trials(), bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    again = RunDirectory.open(run.path, run.path.parent)
    assert again.contents().damaged
    assert len(again.trials()) >= len(before) - 2
    assert set(map(str, again.trials())) <= set(map(str, before))
