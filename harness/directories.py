"""Where things are kept on this host."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessFault
from runtimes import directories

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Places:
    """Directories of the harness.

    ``state`` holds what exists only during a run and is what ``invoke clean`` works from.
    ``cache`` holds what is worth keeping: root filesystems and what is made from them.
    ``runs`` holds results.
    """

    state: Path
    cache: Path
    runs: Path


def places(runs: str | None = None) -> Places:
    """Default places, moved by ``TAREBENCH_STATE``, ``TAREBENCH_CACHE`` and ``runs``.

    See runtimes/directories.py.
    """
    return Places(
        state=directories.state(),
        cache=directories.cache(),
        runs=Path(runs).resolve() if runs else PROJECT / "results" / "runs",
    )


def check_writable(runs: Path) -> None:
    """Find out now, not after an hour, that results cannot be written.  Leaves nothing behind.

    Raises:
        HarnessFault: with the reason.
    """
    there = next(each for each in (runs, *runs.parents) if os.path.lexists(each))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise HarnessFault(
            f"results cannot be written to {runs}: {error.strerror}",
            hint="choose another directory with --out",
        ) from None
