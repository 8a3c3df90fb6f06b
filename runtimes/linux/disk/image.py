"""A file system of a given size in a sparse file, on a loop device: where there are no quotas.

What it needs for itself is added to its size, so that a box can write as much as under a quota.
"""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux.disk import loop, template
from runtimes.process import find, run

KIND = "ext4"
MAKE_S = 60.0
_BLOCK_BYTES = 4096
_MIB = 1 << 20
_JOURNALS_MIB = (4, 64)
"""Smallest and largest; between them a 32nd of the whole, as mke2fs has it."""
_TABLES = 0.0158
"""Share of inodes (256 bytes for each 16 KiB) and bitmaps."""
_SUPERBLOCK, _FREE_LOW, _FREE_HIGH = 1024, 0x0C, 0x158
_BLOCK_BYTES_OF_STAT = 512


def objection() -> str:
    """Why none can be made here; empty if one can."""
    if find("mke2fs") is None:
        return "mke2fs is not installed (apt-get install e2fsprogs)"
    return loop.objection()


def size_bytes(limit_bytes: int) -> int:
    """Of a file system to which ``limit_bytes`` can be written."""
    own = _journal_mib(limit_bytes) * _MIB + withheld_bytes(limit_bytes) + _MIB
    whole = int((limit_bytes + own) / (1 - _TABLES))
    return whole + -whole % _MIB


def _journal_mib(limit_bytes: int) -> int:
    least, most = _JOURNALS_MIB
    return max(least, min(most, limit_bytes // 32 // _MIB))


def withheld_bytes(whole: int) -> int:
    """What ext4 keeps back for delayed allocation: s_resv_clusters, 2 % or 4,096 blocks."""
    return min(whole // 50, 4096 * _BLOCK_BYTES)


@dataclass(slots=True)
class Image:
    """Implements ``space.Space``."""

    file: Path
    device: str
    _file_fd: int
    _device_fd: int
    _whole_bytes: int
    _free_bytes: int
    """As its superblock said before it was mounted."""
    _closed: bool = field(default=False, init=False)

    def limit_bytes(self) -> int | None:
        """See Space: the device's size now, less what the file system in it has for itself."""
        if self._closed:
            return None
        size = loop.size_bytes(Path(self.device), os.fstat(self._file_fd))
        if size is None:
            return None
        return size - (self._whole_bytes - self._free_bytes) - withheld_bytes(size)

    def used_bytes(self) -> int | None:
        """See Space."""
        return 0 if self._closed else os.fstat(self._file_fd).st_blocks * _BLOCK_BYTES_OF_STAT

    def mounted(self) -> None:
        """See Space."""
        if self._device_fd >= 0:
            os.close(self._device_fd)
            self._device_fd = -1

    def close(self) -> None:
        """See Space."""
        if self._closed:
            return
        self._closed = True
        self.mounted()
        os.close(self._file_fd)
        self.file.unlink(missing_ok=True)


def made(
    file: Path, limit_bytes: int, owner: tuple[int, int] = (0, 0), contents: Path | None = None
) -> Image:
    """A file system for ``limit_bytes`` in ``file``, on a device; its root is ``owner``'s.

    Args:
        file: does not exist yet.
        limit_bytes: what can be written to it.
        owner: of its root directory.
        contents: a directory whose files are to be in it.

    Raises:
        RuntimeFault: there is no space, no free loop device, or mke2fs fails.
    """
    whole = size_bytes(limit_bytes)
    if contents is None:
        template.made(file, (limit_bytes, owner), lambda: form(file, limit_bytes, owner))
    else:
        form(file, limit_bytes, owner, contents)
    file.chmod(0o600)
    with contextlib.ExitStack() as undo:
        undo.callback(file.unlink, missing_ok=True)
        try:
            file_fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
            undo.callback(os.close, file_fd)
            free = free_bytes(file_fd)
            device, device_fd = loop.attach(file_fd)
        except OSError as error:
            raise RuntimeFault(
                f"{file} cannot be made a disk: {error.strerror}",
                hint="free a loop device (losetup --list), or leave --disk out",
            ) from None
        undo.pop_all()
    return Image(file, str(device), file_fd, device_fd, whole, free)


def form(
    file: Path, limit_bytes: int, owner: tuple[int, int] = (0, 0), contents: Path | None = None
) -> None:
    """Make the file system only; see ``made``.

    Raises:
        RuntimeFault: there is no space, or mke2fs is missing or fails.
    """
    extended = f"lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner={owner[0]}:{owner[1]}"
    journal = f"size={_journal_mib(limit_bytes)}"
    argv = [
        *("mke2fs", "-q", "-F", "-t", KIND, "-m", "0", "-b", str(_BLOCK_BYTES), "-i", "16384"),
        *(
            "-I",
            "256",
            "-O",
            "^resize_inode",
            "-J",
            journal,
            "-E",
            extended,
        ),
        *(() if contents is None else ("-d", str(contents))),
        *(str(file), f"{size_bytes(limit_bytes) // 1024}k"),
    ]
    run(
        argv,
        timeout_s=MAKE_S,
        hint="free space where TAREBENCH_STATE is; apt-get install e2fsprogs",
    )


def free_bytes(fd: int, offset: int = 0) -> int:
    """What is free in an ext4 that is not mounted, and begins at ``offset`` of a file."""
    superblock = os.pread(fd, 1024, offset + _SUPERBLOCK)
    (low,), (high,) = (struct.unpack_from("<I", superblock, at) for at in (_FREE_LOW, _FREE_HIGH))
    return int(high << 32 | low) * _BLOCK_BYTES
