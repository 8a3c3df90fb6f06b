"""An append-only file of JSON lines that survives ``kill -9``.

A line counts once its newline is there.  What follows the last newline was torn by a kill
in mid-write: readers pass over it, the next writer cuts it off.  Anything else that does not
decode is damage, and is reported with file and line, never passed over.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from results.errors import StoreError

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


class Journal(Generic[Record]):
    """Reads the records of one type from a file of JSON lines."""

    def __init__(self, path: Path, record: type[Record]) -> None:
        self.path = path
        self._decoder = msgspec.json.Decoder(record)

    def __iter__(self) -> Iterator[Record]:
        """Every record, in order.

        Raises:
            StoreError: naming ``file:line`` for whatever does not decode.
        """
        for _, record in self.numbered():
            yield record

    def numbered(self) -> Iterator[tuple[int, Record]]:
        """Line number (from 1) and record, in order.  Raises as ``__iter__``."""
        try:
            with self.path.open("rb") as file:
                number = 0
                while (line := file.readline(LINE_LIMIT_BYTES + 1)).endswith(b"\n"):
                    number += 1
                    yield number, self._decode(line, number)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from None
        if len(line) > LINE_LIMIT_BYTES:
            raise self.fault(number + 1, "longer than 1 MiB")

    def fault(self, number: int, why: str) -> StoreError:
        """Make the error for line ``number``, with what to do about it."""
        return StoreError(
            f"{self.path}:{number}: {why}",
            f"the line was not written by tarebench as it stands; look at it with "
            f"“sed -n {number}p”, repair or delete it, or restore the file from a copy",
        )

    def _decode(self, line: bytes, number: int) -> Record:
        try:
            return self._decoder.decode(line)
        except msgspec.ValidationError as error:
            raise self.fault(number, f"not a valid record: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.fault(number, f"not valid JSON: {error}") from None
        except RecursionError:
            raise self.fault(number, "nested too deeply") from None


class Appender:
    """The one writer of a journal: locked, torn tail cut off, every append synced."""

    def __init__(self, path: Path) -> None:
        """Open and lock ``path``.

        Raises:
            StoreError: somebody else writes it, or it cannot be written.
        """
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._end = _end_of_last_line(self._fd)
            os.ftruncate(self._fd, self._end)
        except BlockingIOError:
            os.close(self._fd)
            raise StoreError(
                f"{path} is being written by another process", "wait for it, or end it first"
            ) from None
        except OSError as error:
            os.close(self._fd)
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
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


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
