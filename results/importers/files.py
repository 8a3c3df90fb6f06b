"""A file's bytes and text: bounded, digested, and refused where they are no text."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

from results.importers.errors import ImportFault

LIMIT_BYTES = 128 << 20
"""Longest file read; a million rows of tidy CSV take about 80 MB."""

_FORMATS = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "a ZIP archive or a spreadsheet"))
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was given."""

    path: Path
    arm: str
    """Whose figures it holds; empty where it says so itself."""

    @property
    def name(self) -> str:
        """The file's name as it stands in messages and records."""
        return str(self.path)


def read(path: Path) -> tuple[bytes, str]:
    """The file's bytes and their sha256 in hex.

    Raises:
        ImportFault: it is not there, no regular file, too long, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ImportFault(f"{path} is not a regular file", "save the figures to a file")
            data = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise ImportFault(f"{path}: {error.strerror}", "give a file that can be read") from None
    except ValueError as error:  # a NUL in the name
        raise ImportFault(f"{str(path)[:100]!r}: {error}") from None
    if len(data) > LIMIT_BYTES:
        raise ImportFault(
            f"{path} is longer than {LIMIT_BYTES >> 20} MiB", "import it in parts, by workload"
        )
    if not data.strip():
        raise ImportFault(f"{path} is empty")
    return data, hashlib.sha256(data).hexdigest()


def text(data: bytes, name: str) -> str:
    """``data`` as UTF-8, without a byte order mark.

    Raises:
        ImportFault: it is something else, with line and column of the first strange byte.
    """
    for magic, what in _FORMATS:
        if data.startswith(magic):
            raise ImportFault(f"{name} is {what}, not text", "unpack it, or export it as CSV")
    if data.startswith(_UTF16):
        raise ImportFault(f"{name}:1:1: UTF-16, not UTF-8", "save it as UTF-8")
    nul = data.find(b"\0")
    if nul >= 0:
        raise ImportFault(f"{place(data, nul, name)}: a NUL byte: this is no text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        strange = data[error.start]
        at = place(data, error.start, name)
        raise ImportFault(
            f"{at}: the byte 0x{strange:02x} is not UTF-8", "save it as UTF-8"
        ) from None


def place(data: bytes, offset: int, name: str) -> str:
    """``name:line:column`` of a byte, both counted from 1."""
    start = data.rfind(b"\n", 0, offset) + 1
    column = len(data[start:offset].decode("utf-8", "replace")) + 1
    line = data.count(b"\n", 0, offset) + 1
    return f"{name}:{line}:{column}"
