"""A directory that names are looked up in without ever leaving it or following a link."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from runtimes.linux.openat2 import openat2

Marks = Literal["trusted", "user"]
"""Whose extended attributes overlayfs reads: root's, or (mounted with ``userxattr``) a user's."""

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_NO_ATTRIBUTE = {errno.ENODATA, errno.ENOTSUP, errno.EPERM}


class Tree:
    """An open directory.  All paths are relative to it; parents must be real directories.

    Raises:
        OSError: ``path`` is no directory that can be opened.
    """

    def __init__(self, path: Path, marks: Marks = "trusted") -> None:
        self.path = path
        self.opaque_attribute = f"{marks}.overlay.opaque"
        self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def opened(self, path: str, flags: int) -> Iterator[int]:
        """A descriptor of ``path``, closed afterwards; ``flags`` as open(2).

        Raises:
            OSError: as open(2); ``ELOOP`` where a link would have to be followed.
        """
        descriptor = openat2(self._fd, path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def directory(self, path: str) -> contextlib.AbstractContextManager[int]:
        """A descriptor of the directory ``path``, for calls that take a ``dir_fd``."""
        return self.opened(path, os.O_RDONLY | os.O_DIRECTORY)

    def lstat(self, path: str) -> os.stat_result | None:
        """What is at ``path``, a final link not followed; ``None`` where nothing is."""
        try:
            with self.opened(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
                return os.fstat(descriptor)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise

    def readlink(self, path: str) -> str:
        """Target of the symbolic link at ``path``, as written."""
        with self.opened(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
            return os.readlink("", dir_fd=descriptor)

    def xattrs(self, path: str) -> dict[str, bytes]:
        """Extended attributes of the file or directory at ``path``; those of links are not read."""
        found = {}
        with self.opened(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
            if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                return {}
            proc = f"/proc/self/fd/{descriptor}"  # the f-calls do not take O_PATH
            for name in os.listxattr(proc):
                found[name] = os.getxattr(proc, name)
        return found

    def is_opaque(self, path: str) -> bool:
        """Whether the directory ``path`` hides what layers below have there."""
        with self.opened(path, os.O_PATH | os.O_DIRECTORY) as descriptor:
            try:
                proc = f"/proc/self/fd/{descriptor}"
                return os.getxattr(proc, self.opaque_attribute) == b"y"
            except OSError as error:
                if error.errno in _NO_ATTRIBUTE:
                    return False
                raise

    def set_opaque(self, path: str) -> None:
        """Make the directory ``path`` hide what layers below have there."""
        with self.directory(path) as descriptor:
            os.setxattr(descriptor, self.opaque_attribute, b"y")


def is_whiteout(status: os.stat_result) -> bool:
    """Whether overlayfs takes it for the mark that a name is gone: character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
