"""How often files of this host's ext4 were synced, told by the kernel (tracefs), whoever did it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

TRACING = Path("/sys/kernel/tracing")
EVENT = "events/ext4/ext4_sync_file_enter"


def objection(directory: Path) -> str:
    """Why syncs of files in ``directory`` cannot be counted here; empty if they can."""
    if not (TRACING / EVENT).is_dir():
        return f"there is no {TRACING}/{EVENT}: tracefs is not mounted, or the kernel has it not"
    kind = _file_system(directory)
    return "" if kind == "ext4" else f"{directory} is on {kind}, not on ext4"


def _file_system(directory: Path) -> str:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = [words for words in mounts if directory.is_relative_to(words[1])]
    return max(above, key=lambda words: len(words[1]))[2]


@contextlib.contextmanager
def counted() -> Iterator[Callable[[Path], int]]:
    """Counts until the context ends; call what is given with a file for its number of syncs."""
    instance = TRACING / f"instances/tb-test-{os.getpid()}"
    instance.mkdir()
    try:
        (instance / EVENT / "enable").write_text("1")

        def count(file: Path) -> int:
            word = f" ino {file.stat().st_ino} "
            return sum(word in line for line in (instance / "trace").read_text().splitlines())

        yield count
    finally:
        (instance / EVENT / "enable").write_text("0")
        instance.rmdir()
