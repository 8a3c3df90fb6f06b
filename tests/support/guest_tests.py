"""Tests of the project in a guest, with what they would compile there, emulated."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support import brought
from tests.support.guest import run_in_guest

PROJECT = Path(__file__).parents[2]
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "--timeout=300")


def passed_in_guest(
    tests: Sequence[str],
    scratch: Path,
    limit_s: float,
    *,
    before: str = "",
    modules: Sequence[str] = (),
) -> None:
    """None fails and none is skipped.

    Args:
        tests: what pytest is asked for, each on its own.
        scratch: directory for the guest's files.
        limit_s: the guest is killed after it.
        before: lines of a shell script that prepare the guest.
        modules: that are loaded beside those that the guest itself needs.
    """
    programs = brought.bring(scratch / "brought")
    argv = [sys.executable, "-m", "pytest", *OPTIONS, "--basetemp=/scratch/pytest", *tests]
    lines = (
        "set -e",
        f"export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 {brought.VARIABLE}={shlex.quote(str(programs))}",
        before,
        shlex.join(argv),
    )
    outcome = run_in_guest(["sh", "-c", "\n".join(lines)], PROJECT, scratch, limit_s, modules)
    assert outcome.status == 0, outcome.console[-6000:]
    assert re.search(r"\d+ passed", outcome.console)
    assert "skipped" not in outcome.console, outcome.console[-6000:]
