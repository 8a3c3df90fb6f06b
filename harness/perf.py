"""Speed and size targets of the project itself: entries measured by tests/perf, read back here.

Each entry is one pytest-benchmark test that runs what it measures beside what it is compared
with, in turn, in one process; its figures travel in the benchmark's ``extra_info``.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessFault, UsageFault
from harness.places import PROJECT
from runtimes import process

NO_TEST_RAN, WRONG_USAGE = 5, 4  # pytest's exit statuses


@dataclass(frozen=True, slots=True)
class Entry:
    """One target and how it is met."""

    name: str
    figure: float
    unit: str
    target: str
    """In words, e.g. ``at most 0.9 × bubblewrap``."""
    ratio: float
    """Figure ÷ what the target allows: at most 1 where it is met."""
    met: bool
    beside: Mapping[str, float]
    """What was measured in the same run: name → figure in the same unit."""


def measure(only: str | None) -> list[Entry]:
    """Run the entries, or the one called ``only``; pytest's own output goes to the terminal.

    Raises:
        UsageFault: no entry has that name.
        HarnessFault: an entry could not be measured.
    """
    with tempfile.TemporaryDirectory(prefix="tarebench-perf-") as directory:
        path = Path(directory, "benchmark.json")
        status = process.inherit(
            [
                *(sys.executable, "-m", "pytest", "-q", "tests/perf"),
                *("-p", "no:cacheprovider", "--benchmark-columns=median,iqr,rounds"),
                f"--benchmark-json={path}",
                *("-W", "ignore:Not saving anything"),  # pytest's own word on why is enough
                *([f"--only={only}"] if only else []),
            ],
            cwd=PROJECT,
        )
        if status == WRONG_USAGE and only:
            raise UsageFault(
                f"--only {only!r:.60} could not be used",
                hint="pytest's output above says why, and which entries there are",
            )
        if status != 0 or not path.exists():
            raise HarnessFault(
                "the entries could not all be measured" if status != NO_TEST_RAN else "none ran",
                hint="pytest's output above says which and why",
            )
        return read(json.loads(path.read_text(encoding="utf-8")))


def read(document: Mapping[str, Any]) -> list[Entry]:
    """Entries of a pytest-benchmark document.

    Raises:
        HarnessFault: a benchmark without our figures, or with one that is no number.
    """
    entries = []
    for benchmark in document["benchmarks"]:
        told = benchmark["extra_info"].get("entry")
        if told is None:
            raise HarnessFault(f"{benchmark['name']} is no entry: it has no target")
        entry = Entry(**told)
        if not math.isfinite(entry.figure) or not math.isfinite(entry.ratio):
            raise HarnessFault(f"{entry.name}: {entry.figure} is no figure")
        entries.append(entry)
    return entries
