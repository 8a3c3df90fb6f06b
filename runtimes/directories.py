"""Where state and what is kept are, unless TAREBENCH_STATE and TAREBENCH_CACHE say otherwise.

Root has them below /var; everybody else where the XDG base directory specification puts them.
State is never on a tmpfs: writable layers are on it, and a box's files must cost disk, not memory.
Paths are short: a Unix socket's is limited to 108 bytes.
"""

from __future__ import annotations

import os
from pathlib import Path

from runtimes.base import RuntimeFault
from runtimes.ids.rights import is_host_root

_NAME = "tarebench"


def state() -> Path:
    """What exists only during a run."""
    return _chosen("TAREBENCH_STATE", Path("/var/lib"), "XDG_STATE_HOME", ".local/state")


def cache() -> Path:
    """What is worth keeping."""
    return _chosen("TAREBENCH_CACHE", Path("/var/cache"), "XDG_CACHE_HOME", ".cache")


def _chosen(variable: str, of_root: Path, xdg: str, in_home: str) -> Path:
    given = os.environ.get(variable)
    if given:
        return Path(given)
    if is_host_root():
        return of_root / _NAME
    base = os.environ.get(xdg, "")
    # The specification has relative paths ignored.
    return (Path(base) if base.startswith("/") else Path.home() / in_home) / _NAME


def made(directory: Path, variable: str) -> Path:
    """``directory``, made if need be.

    Raises:
        RuntimeFault: it cannot be; the hint names ``variable``, which moves it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeFault(
            f"{directory} cannot be made: {error.strerror}",
            hint=f"set {variable} to a directory of yours",
        ) from None
    return directory
