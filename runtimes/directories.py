"""Where state and what is kept are, unless TAREBENCH_STATE and TAREBENCH_CACHE say otherwise.

Root has them below /var; everybody else where the XDG base directory specification puts them.
State is never on a tmpfs: writable layers are on it, and a box's files must cost disk, not memory.
Paths are short: a Unix socket's is limited to 108 bytes.

Both are closed to other users.  What a box writes lies below its writable layer with the modes and
set-id bits that the box gave it, and so do the programs of root filesystems: whoever could walk
there could run them.  Only the root of boxes in user namespaces must pass through a run's state
(runc walks to its root as that id); so those levels are its group's to walk through, not to read.
A directory that the user chose and made is the user's: each level below it that is ours is closed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux.ids.rights import is_host_root
from runtimes.linux.ids.subordinate import boxes_of_root

_NAME = "tarebench"
_STATE = (Path("/var/lib"), "XDG_STATE_HOME", ".local/state")
_CACHE = (Path("/var/cache"), "XDG_CACHE_HOME", ".cache")
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CLOSED, _WALKED = 0o700, 0o710


def state() -> Path:
    """What exists only during a run."""
    return _chosen("TAREBENCH_STATE", *_STATE)


def cache() -> Path:
    """What is worth keeping."""
    return _chosen("TAREBENCH_CACHE", *_CACHE)


def locks() -> Path:
    """Who is alive: one place for all checkouts, wherever they have their state."""
    return Path("/run", _NAME) if is_host_root() else _usual(*_STATE) / "locks"


def _chosen(variable: str, of_root: Path, xdg: str, in_home: str) -> Path:
    given = os.environ.get(variable)
    return Path(given) if given else _usual(of_root, xdg, in_home)


def _usual(of_root: Path, xdg: str, in_home: str) -> Path:
    if is_host_root():
        return of_root / _NAME
    base = os.environ.get(xdg, "")
    # The specification has relative paths ignored.
    return (Path(base) if base.startswith("/") else Path.home() / in_home) / _NAME


def made(directory: Path, variable: str, *, walked: bool = False) -> Path:
    """``directory``, made and closed to others where need be: the one that holds all of ours.

    One that is there, and that nobody but the user can have chosen, stays as it is: it may be /tmp.

    Args:
        directory: of ``state`` or ``cache``.
        variable: what moves it, for the hint.
        walked: as ``closed``.

    Raises:
        RuntimeFault: it cannot be.
    """
    try:
        if directory in (_usual(*_STATE), _usual(*_CACHE)) or not directory.exists():
            closed(directory, walked=walked)
        elif not directory.is_dir():
            raise NotADirectoryError(0, "it is a file", str(directory))
    except OSError as error:
        raise RuntimeFault(
            f"{directory} cannot be made: {error.strerror}",
            hint=f"set {variable} to a directory of yours",
        ) from None
    return directory


def closed(directory: Path, *, walked: bool = False) -> Path:
    """A level of ours, closed to others: made, with what is missing above it, or mended.

    Args:
        directory: no symbolic link is followed to it, unless where that leads is closed already.
        walked: the root of boxes in user namespaces walks through it.

    Raises:
        RuntimeFault: somebody else has made it, and may have put anything there.
        OSError: it cannot be made or mended.
    """
    if not directory.parent.exists():
        closed(directory.parent, walked=walked)
    try:
        directory.mkdir(_CLOSED)
    except FileExistsError:
        if directory.is_symlink():
            return _link(directory)
    descriptor = os.open(directory, _OPEN)
    try:
        _close(directory, descriptor, walked=walked and is_host_root())
    finally:
        os.close(descriptor)
    return directory


def _close(directory: Path, descriptor: int, *, walked: bool) -> None:
    """Group first: bits of a group are for the one that it has."""
    there = os.fstat(descriptor)
    if there.st_uid != os.geteuid():
        raise RuntimeFault(
            f"{directory} belongs to user {there.st_uid}, not to us",
            hint="remove it, or set TAREBENCH_STATE and TAREBENCH_CACHE to directories of yours",
        )
    mode, group = _CLOSED, there.st_gid
    if walked:
        mode, group = _WALKED, boxes_of_root().root[1]
    if group != there.st_gid:
        os.fchmod(descriptor, _CLOSED)
        os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, mode)
    elif stat.S_IMODE(there.st_mode) != mode:
        os.fchmod(descriptor, mode)


def _link(link: Path) -> Path:
    """Whoever put a link here chose where it leads, and what else is there: that is not mended."""
    there = link.stat()
    if {link.lstat().st_uid, there.st_uid} != {os.geteuid()} or there.st_mode & 0o007:
        raise RuntimeFault(
            f"{link} leads to a directory that is open to others, or not ours",
            hint=f"chown and chmod 700 {link.resolve()}, or remove the link",
        )
    return link
