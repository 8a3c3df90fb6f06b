"""Where a private daemon keeps its images between runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from runtimes import directories
from runtimes.base import Site
from runtimes.linux import trees

_CACHE = "docker"


@contextlib.contextmanager
def data_root(site: Site) -> Iterator[tuple[Path, int | None]]:
    """The cached data root with its lock, or an own one when another run has it."""
    home = site.cache / _CACHE
    directories.closed(home)
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            site.progress("docker: another run uses the cached images; importing them anew")
            own = site.state / "data"
            try:
                yield own, None
            finally:
                trees.remove(own, ignore_errors=True)
        else:
            yield home / "data", lock
    finally:
        os.close(lock)
