"""The report is always written: whatever of a run is gone or odd, each reader gives its page.

TAREBENCH_DRAWN_RUNS multiplies how many runs are drawn; one gives a thousand by the fast way and
two dozen whole.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.edge import names
from reports.__main__ import write
from reports.faults import Faults
from reports.html import render
from reports.terminal import claims, compare, explain
from reports.view import build
from reports.view.arms import arm_views
from reports.view.ledger import ledger_view
from results import frame
from results.errors import StoreError
from results.ledger.outcome import judge_run
from results.records.records import arm_name
from results.store.store import RunDirectory
from tests.support import drawn_runs, recorded

TIMES = int(os.environ.get("TAREBENCH_DRAWN_RUNS", "1"))
HUNDREDS = 10 * TIMES
WHOLE = 24 * TIMES

pytestmark = [pytest.mark.parallel, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """In memory, where there is such a place: thousands of journals are synced."""
    memory = Path("/dev/shm")  # only for speed
    where = (memory if os.access(memory, os.W_OK) else tmp_path) / f"tb-drawn-{os.getpid()}"
    where.mkdir()
    yield where
    shutil.rmtree(where)


@pytest.mark.parametrize("hundred", range(HUNDREDS))
def test_views_of_any_run(root: Path, hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        directory = drawn_runs.drawn(random.Random(seed), root / str(seed))
        samples = frame.load(directory)
        view = build(directory.run(), samples, directory.trials(), directory.contents())
        assert view.title, seed
        if seed % 10 == 0:
            outcome = judge_run(directory, samples)
            arms = arm_views(outcome.run)
            ledger = ledger_view(outcome.ledger, outcome.judgement, arms, outcome.run.stops)
            assert ledger.summary, seed
            assert claims.claims_view(outcome.ledger, outcome), seed
        shutil.rmtree(root / str(seed))


@pytest.mark.parametrize("seed", range(WHOLE))
def test_pages_of_any_recorded_run(root: Path, seed: int) -> None:
    """Report, claims, explain and compare, whole, of runs drawn from two that were recorded."""
    rng = random.Random(seed)
    copied = recorded.copied(rng.choice(recorded.BOTH), root / "recorded")
    directory = drawn_runs.drawn_from(copied, rng, root / "runs")
    page = write(directory.path, root / "runs").read_text()
    assert "</html>" in page
    assert "could not be shown" not in page
    known = names()
    assert claims.look(root / "runs", directory.run().run_id, None, known).lines
    assert explain.look(directory, "cpu-native", None, known).lines
    _compared(root / "runs", directory)


def _compared(runs: Path, directory: RunDirectory) -> None:
    """Any two arms, or the word that there is nothing to compare."""
    arms = [arm_name(arm.backend, arm.profile) for arm in directory.run().arms]
    pair = tuple(f"latest:{arm}" for arm in (*arms, "native", "native:aa")[:2])
    with contextlib.suppress(StoreError):  # nothing to compare: said in a sentence
        assert compare.look(runs, (pair[0], pair[1]), 0.02, "").lines


def broken(*_: object, **__: object) -> object:
    raise ZeroDivisionError("a bug")


def test_a_bug_in_one_section_costs_its_own_place_only(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = recorded.copied(recorded.UNDECIDED, root)

    monkeypatch.setattr("reports.html.speed_charts", broken)
    monkeypatch.setattr("reports.view.gates", broken)
    faults = Faults()
    page = write(directory.path, root, faults).read_text()
    assert {name for fault in faults.found for name in fault.sections} == {"speed", "believe"}
    assert page.count("could not be shown") == 2
    assert "ZeroDivisionError in test_any_run.py" in page
    for heading in ("Do the usual claims hold", "All figures", "Trials that do not count", "Words"):
        assert heading in page


def test_an_error_in_every_part_still_leaves_a_page(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = recorded.copied(recorded.UNDECIDED, root)
    samples = frame.load(directory)

    for name in (
        "arm_views", "shown_though_invalid", "metric_views", "price_table", "gates", "answer",
        "phase_bars", "failures", "environment", "command", "published", "waterfall_view", "beside",
        "damage_gates", "damage_tables",
    ):  # fmt: skip
        monkeypatch.setattr(f"reports.view.{name}", broken)
    faults = Faults()
    page = render(build(directory.run(), samples, (), None, faults), None, faults)
    assert "</html>" in page
    assert page.count("could not be shown") > 5


def test_errors_are_raised_where_nobody_collects_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test sees the bug itself."""
    directory = recorded.copied(recorded.UNDECIDED, root)

    monkeypatch.setattr("reports.html.speed_charts", broken)
    with pytest.raises(ZeroDivisionError):
        write(directory.path, root)
