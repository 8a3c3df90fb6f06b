"""The checks of this project itself, as ``invoke test`` runs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.directories import PROJECT
from harness.errors import UsageFault

PYTHON = (sys.executable, "-m")
PROSE = ("*.md", "docs/**/*.md", "runtimes/**/*.md", "tests/README.md")
C = tuple(f"{top}/**/*.[ch]" for top in ("runtimes", "workloads", "tests"))
SLOWEST = 25
"""Tests whose time is told after each run."""
NONE_SELECTED = 5
"""pytest's status where no test has such a name: another command may have it."""


def lint() -> list[list[str]]:
    """Commands that check style and structure: seconds, so that they come first."""
    return [
        [*PYTHON, "ruff", "check", "."],
        [*PYTHON, "ruff", "format", "--check", "."],
        [*PYTHON, "mdformat", "--check", *_named(PROSE)],
        [_beside("clang-format"), "--dry-run", "--Werror", *_named(C)],
        [_beside("lint-imports")],
    ]


def fmt() -> list[list[str]]:
    """Commands that write the source as ``lint`` wants it, as far as that needs no thought."""
    return [
        [*PYTHON, "ruff", "check", "--fix-only", "."],
        [*PYTHON, "ruff", "format", "."],
        [*PYTHON, "mdformat", *_named(PROSE)],
        [_beside("clang-format"), "-i", *_named(C)],
    ]


def types() -> list[list[str]]:
    """The command that checks types."""
    return [[*PYTHON, "mypy"]]


def tests(only: str | None, *, fast: bool, exhaustive: bool) -> list[list[str]]:
    """Commands that run the tests: those marked ``parallel`` on every CPU, then the rest.

    What starts boxes runs alone: it compares the host before and after, and limits CPUs.

    Args:
        only: a part of a test's name.
        fast: no engines, no browser, and of the unit tests those that take milliseconds.
        exhaustive: those too that take minutes in an emulated guest.
    """
    pytest = [*PYTHON, "pytest", f"--durations={SLOWEST}"]
    # pytest-benchmark, which nothing of this uses, objects to processes beside it with a warning.
    beside = [*pytest, "-n", "auto", "--dist", "worksteal", "-p", "no:benchmark"]
    named = ["-k", only] if only else []
    if fast:
        return [[*beside, "tests/unit", "-m", "not slow and not exhaustive", *named]]
    kept = "" if exhaustive else " and not exhaustive"
    return [
        [*beside, "-m", f"parallel{kept}", *named],
        [*pytest, "-m", f"not parallel{kept}", *named],
    ]


def passed(statuses: Sequence[int]) -> bool:
    """Whether tests ran, and none failed, given what each of their commands ended with."""
    return 0 in statuses and all(each in {0, NONE_SELECTED} for each in statuses)


def fuzz(seconds: int, seed: int | None, target: str | None) -> list[str]:
    """The command that feeds everything that reads what others wrote with what nobody should.

    Raises:
        UsageFault: no time at all.
    """
    if seconds < 1:
        raise UsageFault(f"--seconds {seconds}", hint="in all, for all targets; 60 is a start")
    seeded = [] if seed is None else [f"--seed={seed}"]
    chosen = [f"--target={target}"] if target else []
    return [*PYTHON, "tests.support.fuzz", f"--seconds={seconds}", *seeded, *chosen]


def soak(cycles: int) -> list[str]:
    """The command that starts and stops a box ``cycles`` times and looks for what is left.

    Raises:
        UsageFault: no cycle at all.
    """
    if cycles < 1:
        raise UsageFault(f"--cycles {cycles}", hint="at least 1; 10000 takes some minutes")
    soaking = [*PYTHON, "pytest", "-q", "tests/integration/test_ns_soak.py"]
    return ["env", f"TAREBENCH_SOAK={cycles}", *soaking]


def _beside(program: str) -> str:
    """A program of the environment that this one runs in."""
    return str(Path(sys.executable).with_name(program))


def _named(patterns: Sequence[str]) -> list[str]:
    """Files of these patterns, from the project's directory.

    How each kind is to look is in .mdformat.toml and .clang-format.
    """
    found = {path for pattern in patterns for path in PROJECT.glob(pattern)}
    return [str(path.relative_to(PROJECT)) for path in sorted(found)]
