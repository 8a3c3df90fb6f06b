"""An append-only file of JSON lines that survives ``kill -9``.

A line counts once its newline is there.  What follows the last newline was torn by a kill
in mid-write: readers pass over it, the next writer cuts it off.  Anything else that does not
decode is damage: readers get its number and the reason, and go on with the next line.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import msgspec

from results.errors import Missing, StoreError

LINE_LIMIT_BYTES = 1 << 20
"""Longest line written or read; what is longer was not written by us."""

Record = TypeVar("Record")


def encode(record: object) -> bytes:
    """One line for ``record``, newline included.

    Raises:
        StoreError: text that is not Unicode, an integer beyond 64 bits, or a line over 1 MiB.
    """
    try:
        line = msgspec.json.encode(record) + b"\n"
    except (UnicodeEncodeError, OverflowError, TypeError, RecursionError) as error:
        raise StoreError(f"a {type(record).__name__} cannot be written as JSON: {error}") from None
    if len(line) > LINE_LIMIT_BYTES:
        raise StoreError(
            f"a {type(record).__name__} of {len(line)} bytes is over the limit of 1 MiB",
            "shorten what the workload or the engine put into it",
        )
    return line


@dataclass(frozen=True, slots=True)
class Line(Generic[Record]):
    """One line: its record, or why there is none."""

    number: int
    """From 1."""
    data: bytes
    """As it stands in the file, newline included; empty where it is too long."""
    record: Record | None
    why: str = ""
    torn: bool = False
    """It is the last one and has no newline."""


class Journal(Generic[Record]):
    """Reads the records of one type from a file of JSON lines."""

    def __init__(self, path: Path, record: type[Record]) -> None:
        self.path = path
        self._decoder = msgspec.json.Decoder(record)

    def __iter__(self) -> Iterator[Line[Record]]:
        """Every line, in order; the last may be torn.

        Raises:
            StoreError: the file is not there, cannot be read or is no plain file.
        """
        try:
            with open_plain(self.path) as file:
                number = 0
                while data := file.readline(LINE_LIMIT_BYTES + 1):
                    number += 1
                    if data.endswith(b"\n"):
                        yield self._decoded(number, data)
                    elif len(data) <= LINE_LIMIT_BYTES:
                        yield Line(number, data, None, "cut off: it has no end", torn=True)
                    else:
                        torn = not _pass_over(file)
                        yield Line(number, b"", None, "longer than 1 MiB", torn=torn)
        except FileNotFoundError:
            raise Missing(f"{self.path}: it is not there") from None
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from None

    def _decoded(self, number: int, data: bytes) -> Line[Record]:
        try:
            return Line(number, data, self._decoder.decode(data))
        except msgspec.ValidationError as error:
            why = f"not a valid record: {error}"
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            why = f"not valid JSON: {error}"
        except RecursionError:
            why = "nested too deeply"
        return Line(number, data, None, why)


def open_plain(path: Path) -> BinaryIO:
    """Open ``path`` for reading; never waits for somebody at a pipe's other end.

    Raises:
        OSError: as ``open``; also for what is no plain file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    return os.fdopen(descriptor, "rb")


def _pass_over(file: BinaryIO) -> bool:
    """Read to the end of a line; whether it has one."""
    while data := file.readline(LINE_LIMIT_BYTES):
        if data.endswith(b"\n"):
            return True
    return False


class Appender:
    """The one writer of a journal: locked, torn tail cut off, every append synced."""

    def __init__(self, path: Path) -> None:
        """Open and lock ``path``, which is there: a journal is made with its run, never later.

        Raises:
            Missing: it is not there.
            StoreError: somebody else writes it, or it cannot be written.
        """
        self.path = path
        self._lock = -1
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise Missing(
                f"{path}: it is not there",
                "restore it from a copy; or make an empty one in its place, and resume: what it "
                "held is then measured again",
            ) from None
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        try:
            self._lock = _locked(path.with_name(f".{path.name}.lock"))
            self._end = _end_of_last_line(self._fd)
            os.ftruncate(self._fd, self._end)
        except BlockingIOError:
            self.close()
            raise StoreError(
                f"{path} is being written by another process", "wait for it, or end it first"
            ) from None
        except OSError as error:
            self.close()
            raise StoreError(f"{path}: {error.strerror}") from None

    def append(self, lines: Sequence[bytes]) -> None:
        """Write ``lines`` in one go and sync them.

        Raises:
            StoreError: no space, or the disk failed; the file is then as it was before.
        """
        data = b"".join(lines)
        try:
            written = 0
            while written < len(data):  # one write, unless the kernel takes less
                written += os.pwrite(self._fd, data[written:], self._end + written)
            os.fdatasync(self._fd)  # syncs the size too: fdatasync(2)
        except OSError as error:
            os.ftruncate(self._fd, self._end)
            raise StoreError(
                f"{self.path}: {error.strerror}; nothing of this trial was recorded",
                "make room or another disk available, then resume the run",
            ) from None
        self._end += len(data)

    def close(self) -> None:
        """Release the lock.  Idempotent."""
        for descriptor in (self._fd, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._fd = self._lock = -1


def _locked(path: Path) -> int:
    """A descriptor that holds the lock ``path``, a file that only its owner can open.

    Not the journal itself: whoever may read that may lock it too, and keep its writer out.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _end_of_last_line(fd: int) -> int:
    """Offset just after the last newline; 0 where there is none."""
    position = os.fstat(fd).st_size
    while position > 0:
        start = max(0, position - 65536)
        newline = os.pread(fd, position - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0
