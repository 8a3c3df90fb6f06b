"""A guest's files as they are found: missing, growing, holding anything."""

from __future__ import annotations

import contextlib
from pathlib import Path

from runtimes.printable import printable
from runtimes.process import TAIL_BYTES

BLOCK_BYTES = 512
"""Unit of st_blocks (stat(2))."""


def tail(path: Path, limit_bytes: int = TAIL_BYTES) -> str:
    """End of a file that may be missing and may hold anything."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - limit_bytes))
        return printable(file.read(limit_bytes).decode("utf-8", "replace")).strip()
    return ""


def allocated_bytes(path: Path) -> int:
    """Bytes on disk; 0 where there is no such file."""
    try:
        return path.stat().st_blocks * BLOCK_BYTES
    except OSError:
        return 0
