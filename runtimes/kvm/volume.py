"""A guest's volume: a raw disk on the host's file system, with a file system of its own."""

from __future__ import annotations

from pathlib import Path

from runtimes.process import run

SIZE_BYTES = 16 << 30
"""Sparse: what nobody writes costs nothing."""

MAKE_S = 60.0


def make(path: Path) -> None:
    """Make the disk's file with an empty ext4, its journal as every ext4 has it.

    Raises:
        RuntimeFault: mke2fs is missing, or there is no space.
    """
    extended = "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0"
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E", extended, str(path)]
    hint = "free space where the volume is, or: apt-get install e2fsprogs"
    run([*argv, f"{SIZE_BYTES // 1024}k"], timeout_s=MAKE_S, hint=hint)
