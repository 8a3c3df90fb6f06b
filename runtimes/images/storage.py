"""Entries of a cache on disk: made by one process at a time, whole or not there at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from runtimes import directories
from runtimes.faults import RuntimeFault
from runtimes.images.unpack import remove_tree

UNUSED_S = 30 * 24 * 3600
"""An entry that no run asked for in this time may go."""

_RETRIES_S = (0.1, 0.3, 1.0)
"""A lock is free an instant before the children of its holder have died with it."""


@contextlib.contextmanager
def building(
    entry: Path, *, needed_bytes: int, progress: Callable[[str], None], what: str
) -> Iterator[Path]:
    """Hold ``entry``'s lock and give a scratch directory beside it, gone afterwards.

    The caller looks again whether ``entry`` is there now, fills the scratch directory, and
    ends with ``publish``.

    Args:
        entry: path that will be made.
        needed_bytes: free space without which nothing is begun.
        progress: told when another process holds the lock.
        what: a few words for messages, e.g. ``the root filesystem``.

    Raises:
        RuntimeFault: no space, or the file system refuses; with the next step.
    """
    home = entry.parent
    try:
        directories.closed(home)
        with _locked(home / f"{entry.name}.lock", progress, what):
            _remove_leftovers(entry)
            with _scratch(entry, needed_bytes) as scratch:
                yield scratch
    except OSError as error:
        hint = "set TAREBENCH_CACHE to a directory that you can write"
        if error.errno == errno.ENOSPC:
            hint = f"about {needed_bytes // 10**6} MB are needed: free some, or set TAREBENCH_CACHE"
        raise RuntimeFault(f"cannot make {what} in {home}: {error}", hint=hint) from error


def publish(made: Path, entry: Path) -> None:
    """Give ``made`` its final name; what is there under that name was found damaged.

    Entries beside it that nobody used for ``UNUSED_S`` are removed: each is hundreds of MB.
    """
    if entry.is_dir() and not entry.is_symlink():
        remove_tree(entry)
    made.rename(entry)
    mark_used(entry)
    for other in entry.parent.iterdir():
        if other.suffix != ".lock" and not other.name.startswith("."):
            _remove_unused(other)


def mark_used(entry: Path) -> None:
    """Note that ``entry`` is wanted now; where that cannot be noted, it is only less lasting."""
    with contextlib.suppress(OSError):
        os.utime(entry)


def _remove_unused(entry: Path) -> None:
    with contextlib.suppress(OSError, RuntimeFault):
        if time.time() - entry.stat().st_mtime > UNUSED_S:
            remove_tree(entry)
            entry.with_name(f"{entry.name}.lock").unlink(missing_ok=True)


def _scratch_prefix(entry: Path) -> str:
    return f".build-{entry.name}-"


def _remove_leftovers(entry: Path) -> None:
    """What a killed process left: we hold its lock, and its children are dead or about to be."""
    for leftover in entry.parent.glob(f"{_scratch_prefix(entry)}*"):
        for pause_s in _RETRIES_S:
            try:
                remove_tree(leftover)
                break
            except RuntimeFault:
                time.sleep(pause_s)
        else:
            remove_tree(leftover)


@contextlib.contextmanager
def _locked(path: Path, progress: Callable[[str], None], what: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another process that makes {what}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _scratch(entry: Path, needed_bytes: int) -> Iterator[Path]:
    free_bytes = shutil.disk_usage(entry.parent).free
    if free_bytes < needed_bytes:
        raise OSError(errno.ENOSPC, f"only {free_bytes // 10**6} MB free")
    scratch = Path(tempfile.mkdtemp(prefix=_scratch_prefix(entry), dir=entry.parent))
    try:
        scratch.chmod(0o755)
        yield scratch
    finally:
        if scratch.exists():
            remove_tree(scratch)
