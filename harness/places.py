"""Where things are kept on this host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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

    State is below /var/lib and not on a tmpfs: writable layers are on it, and a box's files
    must cost disk, not memory.  Paths are short: a Unix socket's is limited to 108 bytes.
    """
    if os.geteuid() == 0:
        state, cache = Path("/var/lib/tarebench"), Path("/var/cache/tarebench")
    else:
        home = Path.home()
        state, cache = home / ".local/state/tarebench", home / ".cache/tarebench"
    return Places(
        state=Path(os.environ.get("TAREBENCH_STATE") or state),
        cache=Path(os.environ.get("TAREBENCH_CACHE") or cache),
        runs=Path(runs).resolve() if runs else PROJECT / "results" / "runs",
    )
