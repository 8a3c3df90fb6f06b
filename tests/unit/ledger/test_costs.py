"""What a block takes is read off the run's own trials."""

from __future__ import annotations

from dataclasses import replace

import pytest

from results.ledger import numbers
from results.ledger.judge.costs import block_costs
from results.records.records import Trial
from tests.unit.ledger.test_looks import trial


def took(block: int, arm: str, begun_s: int, seconds: float) -> Trial:
    """A trial that began so many seconds after midnight."""
    minutes, rest = divmod(begun_s, 60)
    return replace(
        trial(f"cpu.work-b{block:03d}-{arm}"),
        started_utc=f"2026-11-24T00:{minutes:02d}:{rest:02d}Z",
        phases_ns={"request": 0, "removed": int(seconds * 1e9)},
    )


def test_trials_one_after_another_make_a_block_of_their_sum() -> None:
    trials = [took(1, "native", 0, 4.0), took(1, "ns", 4, 6.0)]
    assert block_costs(trials) == {"cpu.work": pytest.approx(10.0)}


def test_boxes_that_are_up_together_are_counted_once() -> None:
    trials = [took(1, "native", 0, 20.0), took(1, "ns", 2, 18.0), took(1, "docker", 3, 19.0)]
    assert block_costs(trials) == {"cpu.work": pytest.approx(22.0)}


def test_a_gap_of_a_killed_run_is_no_cost() -> None:
    trials = [took(1, "native", 0, 4.0), took(1, "ns", 3000, 6.0)]
    assert block_costs(trials) == {"cpu.work": pytest.approx(10.0)}


def test_what_tells_no_time_costs_nothing_known() -> None:
    assert block_costs([trial("cpu.work-b001-native")]) == {}
    odd = replace(took(1, "native", 0, 4.0), started_utc="yesterday")
    assert block_costs([odd]) == {"cpu.work": pytest.approx(4.0)}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 second"), (40.0, "40 seconds"), (240.0, "4 minutes"), (9000.0, "2.5 hours")],
)
def test_durations_are_as_exact_as_forecasts_are(seconds: float, said: str) -> None:
    assert numbers.duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == said
