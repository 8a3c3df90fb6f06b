"""A guest's volume as a disk: a file on the host's file system, with a file system of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from runtimes.linux.disk import image
from runtimes.process import run

SIZE_BYTES = 16 << 30
"""Sparse: what nobody writes costs nothing."""

MAKE_S = 60.0

DISK_FORMATS: Mapping[str, Literal["raw", "qcow2"]] = {"raw": "raw", "qcow2": "qcow2"}
"""Kinds of volume that are disks; the others are the directory itself."""


def make(path: Path, limit_bytes: int = 0) -> None:
    """Make the disk's file, in the format that its name ends in.

    It holds an empty ext4, its journal as every ext4 has it, to which ``limit_bytes`` can be
    written; 0: the usual size.

    Raises:
        RuntimeFault: mke2fs or qemu-img is missing, or there is no space.
    """
    raw = path.with_suffix(".raw")
    hint = "free space where the volume is, or: apt-get install e2fsprogs qemu-utils"
    if limit_bytes:
        image.form(raw, limit_bytes)
    else:
        _form(raw, hint)
    if path == raw:
        return
    argv = ["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", str(raw), str(path)]
    run(argv, timeout_s=MAKE_S, hint=hint)
    raw.unlink()


def _form(raw: Path, hint: str) -> None:
    extended = "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0"
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E", extended, str(raw)]
    run([*argv, f"{SIZE_BYTES // 1024}k"], timeout_s=MAKE_S, hint=hint)
