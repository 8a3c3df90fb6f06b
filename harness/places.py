"""Where things are kept on this host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
