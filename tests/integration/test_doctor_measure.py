"""Ten seconds of measuring on this host: only what any host must have of it."""

from __future__ import annotations

import io
import os

import pytest
from rich.console import Console

from harness.clock import HostClock
from harness.doctor.steadiness.command import measured
from harness.errors import BusyFault


def test_a_real_host_is_measured_and_told() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        rows = measured(HostClock(), Console(file=io.StringIO()))
    except BusyFault as busy:
        pytest.skip(str(busy))
    subjects = [each.subject for each in rows]
    assert subjects[-3:] == ["steal", "busy neighbours", "smallest effect"]
    assert set(subjects[:-3]) == {"clock speed"}
    assert {each.state for each in rows} <= {"works", "caution"}
    assert all(each.why for each in rows)
    assert rows[-1].figures["share"] > 0.0
    assert 0.0 <= rows[-3].figures["share"] <= 1.0
    assert os.sched_getaffinity(0) == allowed
