"""The root filesystem as the image of a read-only disk, without loop devices.

Measured on 2 cores with a root of 146 MB (9,000 names): ext4 1.0 s, 161 MB on disk;
erofs (lz4hc) 2.5 s, 77 MB; squashfs (zstd) 1.0 s, 48 MB.  ext4 is the default: Debian's cloud
kernel has it built in, and reading it costs the guest no decompression that a container's arm
would not pay too.  erofs and squashfs come out bit-identical for the same root filesystem, ext4
but for the change times of its inodes (mke2fs copies them from the directory).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.images import storage
from runtimes.images.canonical import EPOCH_S
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.linux.disk.image import free_bytes, withheld_bytes

Kind = Literal["ext4", "erofs", "squashfs"]

FORMAT = 2
"""Raised when the same root filesystem must give another image."""

_UUID = "7a7e0000-0000-4000-8000-000000000001"
"""Fixed: an image is named by its content, and never mounted beside another."""

_TIMEOUT_S = 300.0
_BLOCK_BYTES = 4096
_PER_FILE_BYTES = 2 * _BLOCK_BYTES
"""Rounding up to a block, and the inode with its share of tables."""
SPARE_BYTES = 4 << 30
"""What a box may write to its root where nothing else is asked for."""
_JOURNAL_MIB = 32
_EMPTY_BYTES = 8 << 20
_FITS = 3
_FITTING_BYTES = 2 << 20
"""A group of blocks more or less takes as much for its own tables."""

_PACKAGES: Mapping[Kind, str] = {
    "ext4": "e2fsprogs",
    "erofs": "erofs-utils",
    "squashfs": "squashfs-tools",
}


def disk_image(
    rootfs: Rootfs,
    cache: Path,
    kind: Kind = "ext4",
    progress: Callable[[str], None] = lambda _: None,
    *,
    limit_bytes: int = 0,
) -> Path:
    """Image of ``rootfs`` as a file system of ``kind``; from the cache, else made in about 1 s.

    The image is shared by every guest: attach it read-only, or below a copy-on-write layer.
    ``limit_bytes`` is what can be written to an ext4 so attached; 0: about ``SPARE_BYTES``.

    Raises:
        RuntimeFault: the tool is missing or failed, or there is no space.
    """
    limit = f"-{limit_bytes}" if limit_bytes else ""
    name = f"{rootfs.digest.removeprefix('sha256:')}-{FORMAT}{limit}.{kind}"
    entry = cache / "disks" / name
    if _whole(entry):
        storage.mark_used(entry)
        return entry
    with storage.building(
        entry, needed_bytes=2 * rootfs.size_bytes, progress=progress, what=f"the {kind} image"
    ) as scratch:
        if _whole(entry):
            return entry
        progress(f"making the {kind} image")
        image = scratch / "image"
        _make(rootfs, image, kind)
        if limit_bytes:
            fit(image, limit_bytes)
        image.chmod(0o444)
        storage.publish(image, entry)
    return entry


def empty_image(
    directories: Sequence[str],
    cache: Path,
    progress: Callable[[str], None] = lambda _: None,
    *,
    limit_bytes: int = 0,
) -> Path:
    """Image of a file system with nothing but ``directories``; from the cache, or made at once.

    As ``disk_image``, it is shared: attach it below a copy-on-write layer.

    Raises:
        RuntimeFault: as ``disk_image``.
    """
    named = hashlib.sha256("\n".join(directories).encode()).hexdigest()
    limit = f"-{limit_bytes}" if limit_bytes else ""
    entry = cache / "disks" / f"empty-{named[:16]}-{FORMAT}{limit}.ext4"
    if _whole(entry):
        storage.mark_used(entry)
        return entry
    with storage.building(
        entry, needed_bytes=_EMPTY_BYTES, progress=progress, what="the empty image"
    ) as scratch:
        for name in directories:
            (scratch / "tree" / name).mkdir(parents=True)
        image = scratch / "image"
        tree_image(scratch / "tree", SPARE_BYTES, image)
        if limit_bytes:
            fit(image, limit_bytes)
        image.chmod(0o444)
        storage.publish(image, entry)
    return entry


def tree_image(tree: Path, size_bytes: int, image: Path) -> None:
    """Make ``image``, an ext4 file system of ``size_bytes`` with a directory's files.

    Raises:
        RuntimeFault: as ``disk_image``.
    """
    _run(_ext4(tree, size_bytes, image), "ext4")


def fit(image: Path, limit_bytes: int) -> None:
    """Grow or shrink an ext4 until ``limit_bytes`` can be written to it.

    Raises:
        RuntimeFault: as ``disk_image``.
    """
    for _ in range(_FITS):
        size = fitting_bytes(image, limit_bytes)
        if size == image.stat().st_size:
            return
        argv = ["resize2fs", "-f", str(image), f"{size // 1024}k"]
        process.run(argv, timeout_s=_TIMEOUT_S, env={"E2FSPROGS_FAKE_TIME": str(EPOCH_S)})
        os.truncate(image, size)


def fitting_bytes(image: Path, limit_bytes: int, offset: int = 0) -> int:
    """Size that an image would need, in MiB that are whole, for ``limit_bytes`` to be written.

    ``offset``: where in it its ext4, which takes all the rest, begins.
    """
    size = image.stat().st_size
    fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        free = free_bytes(fd, offset) - withheld_bytes(size - offset)
    finally:
        os.close(fd)
    wanted = size + limit_bytes - free
    return wanted + -wanted % (1 << 20) if abs(limit_bytes - free) > _FITTING_BYTES else size


def _whole(entry: Path) -> bool:
    """An image gets its name by a rename once it is whole; only emptiness can go unnoticed."""
    return entry.is_file() and entry.stat().st_size > 0


def _make(rootfs: Rootfs, image: Path, kind: Kind) -> None:
    _run(_COMMANDS[kind](rootfs, image), kind)


def _run(argv: list[str], kind: Kind) -> None:
    if process.find(argv[0]) is None:
        raise RuntimeFault(
            f"{argv[0]} is not installed: it makes {kind} images",
            hint=f"apt-get install {_PACKAGES[kind]}",
        )
    process.run(argv, timeout_s=_TIMEOUT_S, env={"E2FSPROGS_FAKE_TIME": str(EPOCH_S)})


def _ext4_of(rootfs: Rootfs, image: Path) -> list[str]:
    return _ext4(rootfs.directory, _ext4_size_bytes(rootfs), image)


def _ext4(tree: Path, size_bytes: int, image: Path) -> list[str]:
    """With a journal, which no file system that people write to is without.

    Its blocks are zeroes and take no space until a guest writes to its own layer.
    """
    extended = f"hash_seed={_UUID},root_owner=0:0,lazy_itable_init=1,nodiscard"
    return [
        *("mke2fs", "-q", "-F", "-t", "ext4", "-d", str(tree)),
        *("-b", str(_BLOCK_BYTES), "-m", "0", "-L", "tarebench", "-U", _UUID, "-E", extended),
        *("-J", f"size={_JOURNAL_MIB}", str(image), f"{size_bytes // 1024}k"),
    ]


def _ext4_size_bytes(rootfs: Rootfs) -> int:
    """Sparse, so being generous costs nothing on the host's disk."""
    files = sum(1 for _ in rootfs.directory.rglob("*"))
    size = rootfs.size_bytes + files * _PER_FILE_BYTES + SPARE_BYTES
    return size + -size % (1 << 20)


def _erofs(rootfs: Rootfs, image: Path) -> list[str]:
    return [
        *("mkfs.erofs", "--quiet", "-zlz4hc", f"-T{EPOCH_S}", "-U", _UUID),
        *(str(image), str(rootfs.directory)),
    ]


def _squashfs(rootfs: Rootfs, image: Path) -> list[str]:
    return [
        *("mksquashfs", str(rootfs.directory), str(image), "-quiet", "-no-progress", "-noappend"),
        *("-comp", "zstd", "-Xcompression-level", "3", "-reproducible"),
        *("-mkfs-time", str(EPOCH_S), "-all-time", str(EPOCH_S)),
    ]


_COMMANDS: Mapping[Kind, Callable[[Rootfs, Path], list[str]]] = {
    "ext4": _ext4_of,
    "erofs": _erofs,
    "squashfs": _squashfs,
}
