"""Two runs recorded on a shared host: they are read, reported on and judged."""

from __future__ import annotations

from pathlib import Path

from support import recorded

from reports.view import build
from results.frame import load


def test_a_floor_without_any_pair_is_a_ratio_without_a_proof(tmp_path: Path) -> None:
    """Of native and native:aa each has valid trials, and no block has both."""
    directory = recorded.without_readings(recorded.CRASHED, tmp_path)
    view = build(directory.run(), load(directory), directory.trials())
    unpaired = [each.floor for each in view.metrics if each.floor and each.floor.n == 0]
    assert unpaired
    assert all(floor.ratio >= 1 and not floor.proven for floor in unpaired)
