"""Bytes on disk that exist only because of one container."""

from __future__ import annotations

import os
from pathlib import Path

from runtimes.docker import api

_BLOCK_BYTES = 512
"""Unit of st_blocks, whatever the file system's own block is (stat(2))."""


def container_bytes(inspected: object, data_root: Path) -> int:
    """Allocated bytes of a container's layers and of the daemon's files about it.

    With overlay2 a container has two layers of its own, ``<id>`` and ``<id>-init``; where the
    layers are not told (another storage driver) only the daemon's files are counted.
    """
    total = 0
    identifier = api.text(inspected, "Id")
    if identifier.isalnum():
        total += tree_bytes(data_root / "containers" / identifier)
    upper = Path(api.text(inspected, "GraphDriver", "Data", "UpperDir"))
    layers = data_root / "overlay2"
    # The answer is hostile: nothing is walked but a layer's directory below the data root.
    if upper.name == "diff" and upper.parent.parent == layers:
        total += tree_bytes(upper.parent)
        total += tree_bytes(layers / f"{upper.parent.name}-init")
    return total


def tree_bytes(top: Path) -> int:
    """Allocated bytes below ``top``, itself included; other file systems are not entered."""
    try:
        device = top.lstat().st_dev
    except OSError:
        return 0
    return _walk(top, device, set())


def _walk(top: Path, device: int, seen: set[int]) -> int:
    total, waiting = top.lstat().st_blocks * _BLOCK_BYTES, [top]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if status.st_dev != device or status.st_ino in seen:
                continue
            if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                seen.add(status.st_ino)
            total += status.st_blocks * _BLOCK_BYTES
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
    return total
