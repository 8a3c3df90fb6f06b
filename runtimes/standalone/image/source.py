"""Where the files of an image are: a directory, or a tar archive.  Both are hostile."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.stack.tree import Tree
from runtimes.images.layers.tar import read as tarstream
from runtimes.standalone.image.documents import DOCUMENT_BYTES, BadImage

_ARCHIVE_RULES = Rules(entries=100_000, total_bytes=1 << 40)
"""Members of an archive are files to be read, not made: only their number matters."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of an image, open for reading once from its start."""

    read: Callable[[int], bytes]
    """Up to that many bytes; empty only at the end."""
    size_bytes: int


class Source(Protocol):
    """Files of an image, by their path in the layout."""

    path: Path

    def opened(self, name: str) -> contextlib.AbstractContextManager[Opened]:
        """The file ``name``.

        Raises:
            FileNotFoundError: there is none.
            BadImage: it is not a regular file.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class DirectorySource:
    """A directory.  Links are not followed, inside it or out of it.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tree = Tree(path)

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Opened]:
        """See ``Source``."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a fifo must not block us
        try:
            with self._tree.opened(name, flags) as descriptor:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise BadImage(f"{self.path}/{name}: not a regular file")
                yield Opened(lambda size: os.read(descriptor, size), status.st_size)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.EXDEV}:
                raise BadImage(f"{self.path}/{name}: leads through a link") from error
            raise

    def close(self) -> None:
        """See ``Source``."""
        self._tree.close()


class ArchiveSource:
    """A tar archive, uncompressed.  It is gone through once, then read at random.

    Raises:
        OSError: it cannot be opened.
        HostileArchive: it is no plain tar archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = _open_file(path)
        try:
            self._members: Mapping[str, tuple[int, int]] = self._scan()
        except BaseException:
            self.close()
            raise

    def _scan(self) -> dict[str, tuple[int, int]]:
        """Name → offset, size.  A name twice: the later one, as for every tar archive."""
        where = 0

        def read(size: int) -> bytes:
            nonlocal where
            piece = os.pread(self._fd, size, where)
            where += len(piece)
            return piece

        def seek(size: int) -> None:
            nonlocal where
            where += size

        found: dict[str, tuple[int, int]] = {}
        links: dict[str, str] = {}
        end = os.fstat(self._fd).st_size
        for member in tarstream.members(read, _ARCHIVE_RULES, seek):
            if member.kind == "file":
                found[member.name] = (where, member.size)
                if where + member.size > end:
                    raise HostileArchive(f"{self.path}: {member.name!r} ends beyond the archive")
            elif member.kind in {"hardlink", "symlink"}:
                links[member.name] = member.link
        for name, target in links.items():  # old `docker save`: a layer that is there already
            joined = os.path.normpath(f"{name}/../{target}") if name not in found else ""
            for candidate in (target, joined):
                if candidate in found:
                    found.setdefault(name, found[candidate])
        return found

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Opened]:
        """See ``Source``."""
        if name not in self._members:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        where, size_bytes = self._members[name]
        end = where + size_bytes

        def read(size: int) -> bytes:
            nonlocal where
            piece = os.pread(self._fd, min(size, end - where), where)
            where += len(piece)
            return piece

        yield Opened(read, size_bytes)

    def close(self) -> None:
        """See ``Source``."""
        os.close(self._fd)


def _open_file(path: Path) -> int:
    """A descriptor of a regular file; nothing else is waited for or read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise HostileArchive("it is not a file")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Source]:
    """What is at ``path``: a directory or an archive.

    Raises:
        BadImage: neither.
    """
    try:
        source: Source = DirectorySource(path) if path.is_dir() else ArchiveSource(path)
    except OSError as error:
        raise BadImage(f"cannot open the image {path}: {error.strerror}") from error
    except HostileArchive as error:
        raise BadImage(
            f"{path}: neither a layout directory nor a tar archive: {error}",
            hint="a compressed archive must be uncompressed first",
        ) from error
    try:
        yield source
    finally:
        source.close()


def document(source: Source, name: str, limit_bytes: int = DOCUMENT_BYTES) -> bytes:
    """A whole small file.

    Raises:
        BadImage: missing, too long or unreadable.
    """
    try:
        with source.opened(name) as file:
            if file.size_bytes > limit_bytes:
                raise BadImage(f"{source.path}: {name} has {file.size_bytes} bytes, too many")
            return tarstream.exactly(file.read, file.size_bytes, name)
    except FileNotFoundError:
        raise BadImage(f"{source.path}: {name} is missing") from None
    except (OSError, HostileArchive) as error:
        raise BadImage(f"{source.path}: {name}: {error}") from error
