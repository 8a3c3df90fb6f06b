"""The checks of this project itself, as ``invoke test`` runs them."""

from __future__ import annotations

import sys
from pathlib import Path


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
