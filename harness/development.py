"""The checks of this project itself, as ``invoke test`` runs them."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.errors import UsageFault


def checks(only: str | None, *, fast: bool) -> list[list[str]]:
    """Commands in order: style, types, structure, tests.

    Args:
        only: a part of a test's name.
        fast: no engines, no browser: unit tests only.
    """
    python = [sys.executable, "-m"]
    selected = ["-k", only] if only else []
    paths = ["tests/unit"] if fast else []
    return [
        [*python, "ruff", "check", "."],
        [*python, "ruff", "format", "--check", "."],
        [*python, "mypy"],
        [str(Path(sys.executable).with_name("lint-imports"))],
        [*python, "pytest", *paths, *selected],
    ]


def fuzz(seconds: int, seed: int | None, target: str | None) -> list[str]:
    """The command that feeds everything that reads what others wrote with what nobody should.

    Raises:
        UsageFault: no time at all.
    """
    if seconds < 1:
        raise UsageFault(f"--seconds {seconds}", hint="in all, for all targets; 60 is a start")
    seeded = [] if seed is None else [f"--seed={seed}"]
    chosen = [f"--target={target}"] if target else []
    python = [sys.executable, "-m", "tests.support.fuzz"]
    return [*python, f"--seconds={seconds}", *seeded, *chosen]


def soak(cycles: int) -> list[str]:
    """The command that starts and stops a box ``cycles`` times and looks for what is left.

    Raises:
        UsageFault: no cycle at all.
    """
    if cycles < 1:
        raise UsageFault(f"--cycles {cycles}", hint="at least 1; 10000 takes some minutes")
    python = [sys.executable, "-m", "pytest", "-q", "tests/integration/test_ns_soak.py"]
    return ["env", f"TAREBENCH_SOAK={cycles}", *python]
