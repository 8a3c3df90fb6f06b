"""A run goes on from its record, and what its files lost is measured again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HarnessFault
from harness.plan.resume import plan_of
from harness.run.loop import Tally, run_all
from results.errors import StoreError
from results.records.records import Run
from results.store.store import RunDirectory
from runtimes.fake.runtime import FakeRuntime, FakeScript
from tests.support import synthetic
from tests.support.bench_on_paper import bench_on_paper
from workloads.registry import load

GOOD = FakeScript(conditions=frozenset())
RUNTIMES = {name: FakeRuntime(GOOD, name=name) for name in ("native", "ns", "docker", "kvm")}
WORKLOADS = load().workloads


def begun(root: Path, **changes: object) -> RunDirectory:
    """A run of two arms that was killed before its first trial."""
    made = synthetic.make_run(blocks=2)
    names = {"cpu.sysbench", "memory.stream"}
    run: Run = replace(  # type: ignore[arg-type]  # by name
        made,
        **{
            "arms": made.arms[:2],
            "workloads": tuple(each for each in made.workloads if each.name in names),
            "limits": {"cpus": [0], "cpu_quota": 1.0, "memory_bytes": 512 << 20},
            **changes,
        },
    )
    return RunDirectory.create(root, run)


def test_the_plan_is_what_the_record_says(tmp_path: Path) -> None:
    plan = plan_of(begun(tmp_path), RUNTIMES, WORKLOADS, {})
    assert plan.blocks == 2
    assert plan.size.iterations == 3
    assert plan.allotment.box.memory_bytes == 512 << 20
    assert len(plan.slots(RUNTIMES)) == 8


ODD: dict[str, tuple[dict[str, object], str]] = {
    "no limits": ({"limits": {}}, "limits: .*cpus"),
    "no quota": ({"limits": {"cpus": [0], "cpu_quota": None}}, "limits: .*cpu_quota"),
    "no CPU": ({"limits": {"cpus": [], "cpu_quota": 1.0, "memory_bytes": 1}}, "cpus"),
    "a foreign CPU": (
        {"limits": {"cpus": [65535], "cpu_quota": 1.0, "memory_bytes": 1 << 29}},
        "cannot go on with its limits here: CPU 65535",
    ),
    "too little memory": (
        {"limits": {"cpus": [0], "cpu_quota": 1.0, "memory_bytes": 1}},
        "cannot go on with its limits here: --memory 1 ",
    ),
    "more memory than there are bytes": (
        {"limits": {"cpus": [0], "cpu_quota": 1.0, "memory_bytes": 1 << 60}},
        "memory_bytes",
    ),
    "no size": ({"size": {}}, "size: .*iterations"),
    "no work": ({"size": {"iterations": 0, "seconds": 1}}, "iterations"),
    "no blocks": ({"blocks": 0}, "blocks: 0 is not between"),
    "a billion blocks": ({"blocks": 1 << 30}, "blocks: 1073741824 is not between"),
    "no arms": ({"arms": ()}, "make 0 trials"),
    "endless rounds": (
        {"blocks": 10_000, "rounds": {"cpu.sysbench": 10_000}},
        "make 200020000 trials",
    ),
    "imported": ({"source": "csv \x1b[31m"}, "was imported \\(csv \ufffd"),
}


@pytest.mark.parametrize("what", ODD)
def test_what_no_run_has_is_an_error_that_names_it(tmp_path: Path, what: str) -> None:
    changes, said = ODD[what]
    directory = begun(tmp_path, **changes)
    with pytest.raises(HarnessFault, match=said) as error:
        plan_of(RunDirectory.open(directory.path, tmp_path), RUNTIMES, WORKLOADS, {})
    assert error.value.exit_code == 3
    assert error.value.hint or what == "imported"


@pytest.mark.parametrize("blocks", ["-1", "1000000000000", "1e400", "null"])
def test_blocks_that_cannot_be_are_refused_when_the_record_is_read(
    tmp_path: Path, blocks: str
) -> None:
    path = begun(tmp_path).path / "run.json"
    path.write_text(path.read_text().replace('"blocks": 2', f'"blocks": {blocks}'))
    with pytest.raises(StoreError, match=r"run\.json: not a valid run: .*blocks"):
        RunDirectory.open(path.parent, tmp_path)


def test_a_finished_run_that_is_whole_has_nothing_to_resume(tmp_path: Path) -> None:
    directory = begun(tmp_path)
    directory.finish(replace(directory.run(), finished_utc="2026-11-24T05:00:00Z"))
    with pytest.raises(HarnessFault, match="is finished"):
        plan_of(directory, RUNTIMES, WORKLOADS, {})


def test_a_resumed_run_has_the_limit_of_disk_that_it_had(tmp_path: Path) -> None:
    directory = begun(tmp_path)
    assert plan_of(directory, RUNTIMES, WORKLOADS, {}).allotment.box.disk_bytes == 0
    path = directory.path / "run.json"
    for size, fits in ((64 << 20, True), (-1, False), (1 << 60, False)):
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "limits": {**record["limits"], "disk_bytes": size}}))
        again = RunDirectory.open(directory.path, tmp_path)
        if fits:
            assert plan_of(again, RUNTIMES, WORKLOADS, {}).allotment.box.disk_bytes == size
            continue
        with pytest.raises(HarnessFault, match="disk_bytes"):
            plan_of(again, RUNTIMES, WORKLOADS, {})


def test_a_finished_run_that_lost_something_goes_on(tmp_path: Path) -> None:
    directory = synthetic.write(tmp_path, blocks=2)
    path = directory.path / "run.json"
    limits = {"cpus": [0], "cpu_quota": 1.0, "memory_bytes": 1 << 29}
    path.write_text(json.dumps({**json.loads(path.read_text()), "limits": limits}))
    samples = directory.path / "samples.jsonl"
    samples.write_bytes(samples.read_bytes()[:2000])
    plan = plan_of(RunDirectory.open(directory.path, tmp_path), RUNTIMES, WORKLOADS, {})
    assert plan.blocks == 2


def test_what_lost_its_samples_is_measured_again_and_nothing_else(tmp_path: Path) -> None:
    arms = {"a": GOOD, "b": GOOD}
    with bench_on_paper(tmp_path, arms) as paper:
        slots = paper.slots(blocks=3)
        run_all(paper.context, slots, paper.directory, paper)
        ended = replace(paper.directory.run(), finished_utc="2026-11-24T05:00:00Z")
        paper.directory.finish(ended)
        files = paper.directory.path
    lines = (files / "samples.jsonl").read_bytes().splitlines(keepends=True)
    lost = {json.loads(lines[4])["trial_id"], json.loads(lines[9])["trial_id"]}
    assert len(lost) == 2
    lines[9] = b"\0\0\0\n"
    del lines[4]
    (files / "samples.jsonl").write_bytes(b"".join(lines))
    with bench_on_paper(tmp_path, arms) as paper:
        paper.directory.reopen()
        assert {slot.trial_id for slot in slots} - {
            trial.trial_id for trial in paper.directory.trials()
        } == lost
        assert run_all(paper.context, slots, paper.directory, paper) == Tally(ok=2)
        again = paper.directory
        attempts = Counter(trial.attempt for trial in again.trials())
        assert attempts == {1: 4, 2: 2}
        assert len(list(again.samples())) == 12
        assert again.contents().damaged == 3  # the line, and both trials of before
        again.finish(replace(again.run(), finished_utc="2026-11-24T06:00:00Z"))
        assert again.run().trials == again.contents().recorded == 8
        assert run_all(paper.context, slots, again, paper) == Tally()


def test_a_cut_off_journal_is_measured_again_from_where_it_ends(tmp_path: Path) -> None:
    with bench_on_paper(tmp_path, {"a": GOOD}) as paper:
        slots = paper.slots(blocks=4)
        run_all(paper.context, slots, paper.directory, paper)
        paper.directory.finish(replace(paper.directory.run(), finished_utc="2026-11-24T05:00:00Z"))
        path = paper.directory.path / "trials.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with bench_on_paper(tmp_path, {"a": GOOD}) as paper:
        said = [str(each) for each in paper.directory.contents().damage]
        assert "trials.jsonl: run.json counts 4 trials, 2 are recorded" in said
        assert sum("without its record" in each for each in said) == 2
        assert run_all(paper.context, slots, paper.directory, paper) == Tally(ok=2)
        paper.directory.finish(replace(paper.directory.run(), finished_utc="2026-11-24T06:00:00Z"))
        assert paper.directory.contents().damage == ()
        assert [trial.attempt for trial in paper.directory.trials()] == [1, 1, 2, 2]
