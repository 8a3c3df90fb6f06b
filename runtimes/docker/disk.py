"""Bytes on disk that exist only because of one container."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_BLOCK_BYTES = 512
"""Unit of st_blocks, whatever the file system's own block is (stat(2))."""


def container_bytes(identifier: str, pid: int, data_root: Path) -> int:
    """Allocated bytes of a running container's writable layer and of the daemon's files about it.

    The layer is the one that the kernel says the container's root writes to, so that it is found
    under any storage driver that mounts an overlay.  ``overlay2`` makes a second one of its own
    for each container, ``<layer>-init``.
    """
    total = tree_bytes(data_root / "containers" / identifier) if identifier.isalnum() else 0
    with contextlib.suppress(OSError):
        upper = upper_directory(Path(f"/proc/{pid}/mountinfo").read_text())
        if upper is not None:
            layer = upper.parent
            total += tree_bytes(layer) + tree_bytes(layer.with_name(f"{layer.name}-init"))
    return total


def upper_directory(mountinfo: str) -> Path | None:
    """Where a process's root directory is written to; ``None`` where it is no overlay.

    ``mountinfo`` is proc_pid_mountinfo(5); the path is that of the daemon's mount namespace.
    """
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or len(kinds) < 3 or fields[4] != "/" or kinds[0] != "overlay":
            continue
        for option in kinds[2].split(","):
            name, _, value = option.partition("=")
            if name == "upperdir" and value.startswith("/"):
                return Path(value)
    return None


def tree_bytes(top: Path) -> int:
    """Allocated bytes below ``top``, itself included; other file systems are not entered.

    A file with several names counts once.  What vanishes meanwhile counts nothing.
    """
    try:
        status = top.lstat()
    except OSError:
        return 0
    total, seen, waiting = 0, {status.st_ino}, [top]
    total += status.st_blocks * _BLOCK_BYTES
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if found.st_dev != status.st_dev or found.st_ino in seen:
                    continue
                seen.add(found.st_ino)
                total += found.st_blocks * _BLOCK_BYTES
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
    return total
