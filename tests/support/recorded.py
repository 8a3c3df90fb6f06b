"""Whole runs that were recorded on a shared host, as test data."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from results.store.store import RunDirectory

RUNS = Path(__file__).parents[1] / "data" / "recorded"

CRASHED = "20261124T153943Z-db8eea"
"""Its report ended with a traceback: native and native:aa shared no valid block in some metric."""
UNDECIDED = "20261124T155235Z-16cefe"
"""Its report decided nothing."""
BOTH = (CRASHED, UNDECIDED)


def copied(name: str, into: Path) -> RunDirectory:
    """A copy of a recorded run that may be written to."""
    shutil.copytree(RUNS / name, into / name)
    return RunDirectory.open(name, into)


def without_readings(name: str, into: Path) -> RunDirectory:
    """A copy whose gates can only be believed: what they looked at is not there."""
    directory = copied(name, into)
    path = directory.path / "trials.jsonl"
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    path.write_bytes(
        b"".join(msgspec.json.encode(line | {"pressure": None}) + b"\n" for line in lines)
    )
    return directory
