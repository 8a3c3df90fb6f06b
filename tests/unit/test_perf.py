"""The entries of ``invoke perf``: one that fails costs its own line."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import tables
from harness.errors import UsageFault
from harness.project.perf import Entry, Measurement, Unmeasured, follow, measure
from harness.project.perf_progress import PerfProgress

MET = Entry("fast", 1.0, "s", "at most 2 s", 0.5, met=True, beside={"other": 2.0})
MISSED = Entry("slow", 3.0, "s", "at most 2 s", 1.5, met=False, beside={})


@dataclass
class Watching:
    """What an observer was told."""

    names: list[str] = field(default_factory=list)

    def planned(self, seconds: Mapping[str, float]) -> None:
        self.names += [f"planned {name}" for name in seconds]

    def starting(self, name: str) -> None:
        self.names.append(f"starting {name}")

    def finished(self, result: Entry | Unmeasured) -> None:
        self.names.append(f"finished {result.name}")


def lines(*events: Mapping[str, object]) -> list[str]:
    return [json.dumps(event) for event in events]


def test_an_entry_that_fails_costs_its_own_line_only() -> None:
    events = lines(
        {"planned": {"broken": 1.0, "fast": 1.0}},
        {"unmeasured": asdict(Unmeasured("broken", "FileExistsError", failed=True))},
        {"entry": asdict(MET)},
    )
    results = list(follow(events, Watching()))
    assert results == [Unmeasured("broken", "FileExistsError", failed=True), MET]


def test_entries_that_pytest_did_not_live_to_measure_are_named() -> None:
    events = lines({"planned": {"fast": 1.0, "next": 1.0}}, {"entry": asdict(MET)})
    observer = Watching()
    assert list(follow(events, observer))[1:] == [
        Unmeasured("next", "pytest ended before it", failed=True)
    ]
    assert observer.names[-1] == "finished next"


def test_a_figure_that_is_no_number_is_a_failure() -> None:
    wrong = asdict(MET) | {"figure": float("nan")}
    (result,) = follow(lines({"planned": {"fast": 1.0}}, {"entry": wrong}), Watching())
    assert isinstance(result, Unmeasured)
    assert result.failed


def test_targets_are_met_where_the_host_cannot_have_an_entry_but_not_where_one_failed() -> None:
    absent = Unmeasured("vm", "no KVM", failed=False)
    assert Measurement((MET,), (absent,)).met
    assert not Measurement((MET,), (Unmeasured("vm", "it broke", failed=True),)).met
    assert not Measurement((MET, MISSED), ()).met


def test_the_table_shows_figures_and_what_could_not_be_measured() -> None:
    stream = io.StringIO()
    shown = Measurement((MET, MISSED), (Unmeasured("vm", "no [KVM]", failed=False),))
    Console(file=stream, width=200).print(tables.perf(shown))
    text = stream.getvalue()
    for words in ("fast", "0.50", "slow", "1.50", "vm", "no [KVM]", "not here"):
        assert words in text


def test_the_time_left_follows_the_pace_of_this_host() -> None:
    clock, stream = Ticking(), io.StringIO()
    progress = PerfProgress(Console(file=stream, width=200), clock)
    progress.planned({"fast": 10.0, "slow": 300.0})
    progress.starting("fast")
    clock.ns = 20_000_000_000  # twice as long as estimated
    progress.finished(MET)
    progress.starting("slow")
    assert stream.getvalue().splitlines() == [
        "fast, about 5 min left",
        "slow, about 10 min left",
    ]


class Ticking:
    """A clock that is set."""

    ns = 0

    def now_ns(self) -> int:
        return self.ns


ENTRIES = """
import pytest
from tests.perf.conftest import Recorder

def test_a_good_one(entry: Recorder) -> None:
    entry.figure(1.0, "s", at_most=2.0, target="at most 2 s")

def test_a_broken_one(entry: Recorder) -> None:
    raise FileExistsError("stage/own/0")

def test_an_absent_one(entry: Recorder) -> None:
    pytest.skip("no KVM here")

def test_a_late_one(entry: Recorder) -> None:
    entry.figure(3.0, "s", at_most=2.0, target="at most 2 s")
"""


@pytest.mark.slow
def test_the_whole_way_from_pytest_to_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real conftest with four entries: one good, one broken, one absent, one missed."""
    entries = tmp_path / "tests/perf"
    entries.mkdir(parents=True)
    project = Path(__file__).parents[2]
    (entries / "conftest.py").write_text((project / "tests/perf/conftest.py").read_text())
    (entries / "test_four.py").write_text(ENTRIES)
    monkeypatch.setattr("harness.project.perf.PROJECT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(project))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    observer = Watching()
    measured = measure(None, observer)
    assert [(each.name, each.met) for each in measured.entries] == [
        ("a-good-one", True),
        ("a-late-one", False),
    ]
    broken, absent = measured.unmeasured
    assert (broken.name, broken.failed, absent.failed) == ("a-broken-one", True, False)
    assert "stage/own/0" in broken.why
    assert "FileExistsError" in broken.output
    assert absent.why == "no KVM here"
    names = ("a-good-one", "a-broken-one", "an-absent-one", "a-late-one")
    assert observer.names[:4] == [f"planned {name}" for name in names]
    with pytest.raises(UsageFault, match="nothing") as told:
        measure("nothing", observer)
    assert "a-good-one" in told.value.hint
