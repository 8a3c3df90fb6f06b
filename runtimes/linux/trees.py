"""Removing a directory tree that somebody else filled: of any depth, and never past a mount.

``shutil.rmtree`` calls itself for each level and keeps a descriptor open for each: a box that
makes a few thousand directories inside each other ends it.  Here one descriptor goes down and,
by ``..``, up again; each directory is opened twice, whatever the depth.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtimes.linux.openat2 import (
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    openat2,
)

_PLAIN = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_TOLD_LEVELS = 8


@dataclass(frozen=True, slots=True)
class _Level:
    name: str
    identity: tuple[int, int]
    directories: list[str]
    """Those that are still to be removed."""


def remove(directory: Path, *, ignore_errors: bool = False) -> None:
    """Remove ``directory`` and all in it.  Links are removed, what is mounted there is not emptied.

    What cannot be removed does not keep the rest.

    Args:
        directory: no link itself.
        ignore_errors: leave what cannot be removed, and say nothing.

    Raises:
        OSError: the first thing that could not be removed.
    """
    with contextlib.suppress(OSError) if ignore_errors else contextlib.nullcontext():
        parent = os.open(directory.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_at(parent, directory.name)
        finally:
            os.close(parent)


def remove_at(parent: int, base: str) -> None:
    """As ``remove``, of ``base`` in the open directory ``parent``.

    Raises:
        OSError: as ``remove``.
    """
    failed: list[OSError] = []
    here = openat2(parent, base, _FLAGS, _PLAIN)
    try:
        levels = [_Level(base, _identity(here), _emptied(here, failed))]
        while True:
            level = levels[-1]
            if level.directories:
                here = _deeper(here, level.directories.pop(), levels, failed)
                continue
            levels.pop()
            if not levels:
                break
            above = openat2(here, "..", _FLAGS, _PLAIN)
            os.close(here)
            here = above
            if _identity(here) != levels[-1].identity:
                raise OSError(errno.ESTALE, "moved while it was being removed", level.name)
            _try(lambda: os.rmdir(level.name, dir_fd=here), _told(levels, level.name), failed)  # noqa: B023  # called at once
    finally:
        os.close(here)
    if failed:
        raise failed[0]
    os.rmdir(base, dir_fd=parent)


def _deeper(here: int, name: str, levels: list[_Level], failed: list[OSError]) -> int:
    """The directory ``name``, emptied of what is no directory; ``here`` where it cannot be."""
    try:
        inner = openat2(here, name, _FLAGS, _PLAIN)
    except OSError as error:
        why = "something is mounted there" if error.errno == errno.EXDEV else error.strerror
        failed.append(OSError(error.errno, why, _told(levels, name)))
        return here
    os.close(here)
    levels.append(_Level(name, _identity(inner), _emptied(inner, failed)))
    return inner


def _emptied(here: int, failed: list[OSError]) -> list[str]:
    """Remove what is no directory; names of the others."""
    with os.scandir(here) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_directory in entries:
        if not is_directory:
            _try(lambda: os.unlink(name, dir_fd=here), name, failed)  # noqa: B023  # called at once
    return [name for name, is_directory in entries if is_directory]


def _try(call: Callable[[], None], what: str, failed: list[OSError]) -> None:
    try:
        call()
    except FileNotFoundError:
        pass  # somebody else removed it
    except OSError as error:
        failed.append(OSError(error.errno, error.strerror, what))


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _told(levels: list[_Level], name: str) -> str:
    above = [level.name for level in levels[-_TOLD_LEVELS:]]
    return "/".join([*(["…"] if len(levels) > _TOLD_LEVELS else []), *above, name])
