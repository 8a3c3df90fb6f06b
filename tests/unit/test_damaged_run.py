"""A damaged run is read as far as it holds, and every reader says what does not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke.context import Context as Invocation
from invoke.exceptions import Exit

import tasks
from harness.cli import edge
from reports import __main__ as report
from reports.terminal import claims, compare, explain
from reports.view.damage import damage_gates, damage_tables
from results.ledger.claims.vocabulary import installed
from results.ledger.outcome import judge_run
from results.store.contents import Contents
from results.store.damage import Damage
from results.store.store import RunDirectory
from tests.support import synthetic
from tests.support.fuzz import CORPUS, target

RECORDED = Path(__file__).parents[1] / "data" / "recorded"


@pytest.fixture
def whole(tmp_path: Path) -> RunDirectory:
    """A finished run of six blocks."""
    return synthetic.write(tmp_path, blocks=6)


@pytest.fixture
def damaged(whole: RunDirectory) -> RunDirectory:
    """The same, with a sample's line turned into what steers terminals and pages."""
    path = whole.path / "samples.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[7] = lines[7].replace(b'"lower"', '"\u202e\\u001b[31m<b>"'.encode())
    lines[7] = lines[7].replace(b'"higher"', '"\u202e\\u001b[31m<b>"'.encode())
    path.write_bytes(b"".join(lines))
    return RunDirectory.open(whole.path, whole.path.parent)


@pytest.mark.slow
def test_the_page_tells_what_is_damaged_and_shows_the_rest(damaged: RunDirectory) -> None:
    page = report.write(damaged.path).read_text()
    assert "samples.jsonl:8: not a valid record" in page
    assert "samples recorded with it" in page
    assert "this run’s files are damaged" in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "<svg" in page


@pytest.mark.slow
def test_the_page_of_a_whole_run_says_nothing_of_damage(whole: RunDirectory) -> None:
    page = report.write(whole.path).read_text()
    assert "damaged" not in page
    assert "was not checked" not in page


def test_a_run_from_before_digests_is_read_with_a_caution(tmp_path: Path) -> None:
    name = min(RECORDED.glob("*/run.json")).parent
    contents = RunDirectory.open(name, tmp_path).contents()
    assert contents.damaged == 0
    assert contents.unchecked == contents.recorded == len(contents.trials) == 300
    (gate,) = damage_gates(contents)
    assert gate.level == "caution"
    assert "300 trials were not checked" in gate.detail
    assert damage_tables(contents) == ()


def test_the_damage_is_told_up_to_a_limit_and_counted_beyond() -> None:
    many = tuple(Damage(f"samples.jsonl:{n}", "garbage") for n in range(1, 1001))
    contents = Contents(damage=many, damaged=5000)
    assert contents.told()[-1] == "and 4988 more"
    assert len(contents.told()) == 13
    (table,) = damage_tables(contents)
    assert table.rows[-1] == ("", "and 4600 more")


def test_terminal_and_json_tell_it_in_every_reader(damaged: RunDirectory) -> None:
    root, name = damaged.path.parent, damaged.path.name
    known = installed(damaged.run())
    listed = claims.look(root, name, None, known)
    shown = explain.look(damaged, "cpu-native", None, known)
    compared = compare.look(root, (f"{name}:native", f"{name}:ns"), 0.02, "")
    for view in (listed, shown, compared):
        assert any("samples.jsonl:8: " in line for line in view.damage)
        assert list(view.damage) == view.document["damage"]
        assert all(line.isprintable() for line in view.damage)


READERS: dict[str, Callable[[Invocation, str], None]] = {
    "report": lambda context, out: tasks.report(context, out=out),
    "claims": lambda context, out: tasks.claims(context, out=out),
    "explain": lambda context, out: tasks.explain(context, "cpu-native", out=out),
    "compare": lambda context, out: tasks.compare(context, "latest:native", "latest:ns", out=out),
    "plan": lambda context, out: tasks.bench(context, resume="latest", plan=True, out=out),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report", "claims", "explain", "compare"])
def test_a_task_that_reads_damage_tells_it_and_ends_with_1(
    damaged: RunDirectory, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Exit) as ended:
        READERS[name](Invocation(), str(damaged.path.parent))
    assert ended.value.code == 1
    told = capfd.readouterr()
    assert "damaged, left out: " in told.err
    assert "samples.jsonl:8" in told.err
    assert told.out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report", "claims", "explain", "compare"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"schema": 1', '"schema": -3'),
        ('"blocks": 6', '"blocks": 1e400'),
        ('"arms": [', '"arms": [0,'),
    ],
)
def test_an_odd_run_json_is_an_error_with_a_hint_and_status_3(
    whole: RunDirectory, name: str, before: str, after: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = whole.path / "run.json"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(Exit) as ended:
        READERS[name](Invocation(), str(whole.path.parent))
    assert ended.value.code == 3
    told = capfd.readouterr().err
    assert "run.json: not a valid run" in told
    assert "restore it from a copy" in told
    assert "Traceback" not in told


def test_looks_count_what_still_holds_of_the_trials_that_they_saw(damaged: RunDirectory) -> None:
    contents = damaged.contents()
    assert contents.counting_among(contents.recorded) == len(contents.trials)
    lost = set(range(1, contents.recorded + 1)) - set(contents.lines)
    (line,) = lost
    assert contents.counting_among(line - 1) == line - 1
    assert contents.counting_among(line) == line - 1


def test_looks_that_cannot_be_are_an_error(whole: RunDirectory) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from results.errors import StoreError  # noqa: PLC0415
    from results.records.looks import PlannedLook  # noqa: PLC0415

    odd = replace(whole.run(), budget_s=5.0, planned_looks=(PlannedLook(900, 0.5, 0.5),))
    whole.finish(odd)
    with pytest.raises(StoreError, match="looks do not hold together"):
        judge_run(RunDirectory.open(whole.path, whole.path.parent))


def test_a_task_without_damage_goes_on() -> None:
    edge.admit(())


@pytest.mark.slow
def test_seeded_damage_ends_in_nothing_but_faults_of_ours() -> None:
    fuzz = target("journals")
    found = fuzz(random.Random(20261124), 6.0, CORPUS / "journals")
    assert found.findings == ()
    assert found.cases
