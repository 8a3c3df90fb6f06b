"""The figures of docs/gates.md are the measured ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import gate_figures, recorded

from results.store.store import RunDirectory

PAGE = Path(__file__).parents[3] / "docs" / "gates.md"
OWN = {"swap", "memory-pressure", "throttled", "hot", "limits", "program-digest", "rootfs-digest",
       "clock-changed", "guest-clock", "unsteady"}  # fmt: skip
"""Gates of single trials that make one invalid, but for what a whole arm is."""


@pytest.mark.slow
def test_the_table_of_rates_and_power_is_as_measured() -> None:
    for measured in (gate_figures.table(), gate_figures.sizes()):
        assert measured in PAGE.read_text(encoding="utf-8"), (
            f"docs/gates.md should say:\n{measured}"
        )


def test_on_a_recorded_host_no_gate_of_single_trials_gave_a_false_alarm() -> None:
    trials = [
        t for name in recorded.BOTH for t in RunDirectory.open(name, recorded.RUNS).recorded()
    ]
    alarms = [f.code for t in trials for f in t.findings if f.code in OWN]
    assert (len(trials), alarms) == (600, [])
    assert "600 recorded trials" in PAGE.read_text(encoding="utf-8")
