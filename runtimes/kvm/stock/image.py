"""The full VM's disk, from the cache or made; about a minute, most of it for its packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtimes import process
from runtimes.images import storage
from runtimes.images.disk import fitting_bytes
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.images.unpack import remove_tree
from runtimes.kvm.boot.kernel import CONSOLES
from runtimes.kvm.stock import bootable, files, tree
from runtimes.kvm.stock.base import sources

FORMAT = 1
"""Raised when the same packages must give another disk."""

NEEDED_BYTES = 2_500_000_000
SPARE_BYTES = 4 << 30
"""Sparse: what nobody writes costs nothing."""


@dataclass(frozen=True, slots=True)
class Stock:
    """A bootable disk; never written to."""

    disk: Path
    kernel: str
    """File name of the kernel on it."""
    firmware: bootable.Firmware

    @property
    def offset_bytes(self) -> int:
        """Where on the disk the root file system begins."""
        return self.firmware.root_offset_bytes


def stock_image(
    rootfs: Rootfs,
    architecture: str,
    cache: Path,
    progress: Callable[[str], None],
    *,
    limit_bytes: int = 0,
) -> Stock:
    """The disk of the full VM around ``rootfs``'s packages.

    Args:
        rootfs: the shared root filesystem: the same programs are in the VM.
        architecture: ``x86_64`` or ``aarch64``.
        cache: directory kept between runs.
        progress: told what is being done.
        limit_bytes: what can be written to its root; 0: about ``SPARE_BYTES``.

    Raises:
        RuntimeFault: see tree and bootable.
    """
    firmware = bootable.firmware_for(architecture)
    key = _key(rootfs, firmware)
    entry = cache / "stock" / (f"{key}-{limit_bytes}" if limit_bytes else key)
    ready = _load(entry, firmware)
    if ready is not None:
        storage.mark_used(entry)
        return ready
    with storage.building(
        entry, needed_bytes=NEEDED_BYTES, progress=progress, what="the full VM's disk"
    ) as scratch:
        ready = _load(entry, firmware)
        if ready is not None:
            return ready
        whole = scratch / "entry"
        whole.mkdir()
        root = tree.build(rootfs, cache, scratch, progress)
        progress("making the full VM's disk")
        _make(root, firmware, whole, scratch, limit_bytes)
        storage.publish(whole, entry)
    made = _load(entry, firmware)
    assert made is not None  # noqa: S101  # published a moment ago, under its lock
    return made


def _key(rootfs: Rootfs, firmware: bootable.Firmware) -> str:
    wanted, lines = sources(rootfs)
    ours = (
        files.TEXTS,
        files.LINKS,
        files.FIRST_WORD,
        files.KEPT_UNITS,
        files.grub_menu("", "", ""),
    )
    said = repr((FORMAT, rootfs.digest, wanted.packages, lines, firmware, ours))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _load(entry: Path, firmware: bootable.Firmware) -> Stock | None:
    try:
        meta = json.loads((entry / "meta.json").read_bytes())
        disk = entry / "disk.raw"
        if disk.stat().st_size != meta["bytes"]:
            return None
        return Stock(disk, str(meta["kernel"]), firmware)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fit(
    root: Path, disk: Path, firmware: bootable.Firmware, limit_bytes: int, scratch: Path
) -> None:
    """Make the disk again, with what the file system turned out to need for itself."""
    offset = firmware.root_offset_bytes
    missing = fitting_bytes(disk, limit_bytes, offset) - disk.stat().st_size
    if missing:
        size = disk.stat().st_size - offset - bootable.ALIGNMENT_BYTES + missing
        disk.unlink()
        bootable.make(root, disk, size - size % bootable.ALIGNMENT_BYTES, firmware, scratch)


def _make(
    root: Path, firmware: bootable.Firmware, whole: Path, scratch: Path, limit_bytes: int
) -> None:
    kernel = tree.newest(root, "boot/vmlinuz-*")
    menu = files.grub_menu(
        kernel, tree.newest(root, "boot/initrd.img-*"), CONSOLES[firmware.architecture]
    )
    (root / "boot/grub").mkdir(exist_ok=True)
    (root / "boot/grub/grub.cfg").write_text(menu)
    disk = whole / "disk.raw"
    used = process.run(["du", "-s", "-B", "1", str(root)], timeout_s=60).stdout.split()[0]
    size = int(used) + (limit_bytes or SPARE_BYTES)
    bootable.make(root, disk, size - size % bootable.ALIGNMENT_BYTES, firmware, scratch)
    if limit_bytes:
        _fit(root, disk, firmware, limit_bytes, scratch)
    remove_tree(root)
    disk.chmod(0o444)
    meta = {"kernel": kernel, "bytes": disk.stat().st_size}
    (whole / "meta.json").write_text(json.dumps(meta))
