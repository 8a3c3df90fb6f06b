"""The VM's tree: the shared root filesystem's packages, and those that make a machine of it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.images.rootfs.contents import DIGEST_FILE
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.kvm.stock import files
from runtimes.kvm.stock.base import base_archive, unpack

WANTS = "etc/systemd/system"
SHOWN = 3


def build(rootfs: Rootfs, cache: Path, scratch: Path, progress: Callable[[str], None]) -> Path:
    """Make the tree below ``scratch``.

    Raises:
        RuntimeFault: its packages cannot be installed, or are no longer those of ``rootfs``.
    """
    archive = base_archive(rootfs, cache, progress)
    tree = scratch / "tree"
    progress("unpacking the full VM")
    unpack(archive, tree)
    copy_missing(rootfs.directory, tree)
    _furnish(tree)
    _compare(rootfs, tree)
    return tree


def copy_missing(shared: Path, tree: Path) -> None:
    """Put in what the shared root filesystem has and no package brings: our programs and files."""
    for directory, names, leaves in os.walk(shared):
        place = tree / Path(directory).relative_to(shared)
        for name in (*names, *leaves):
            source, target = Path(directory, name), place / name
            if target.is_symlink() or target.exists():
                continue
            if source.is_symlink():
                target.symlink_to(source.readlink())
            elif source.is_dir():
                target.mkdir()
                shutil.copystat(source, target)
            elif source.is_file():
                shutil.copy2(source, target)
    shutil.copy2(shared / DIGEST_FILE, tree / DIGEST_FILE)


def _furnish(tree: Path) -> None:
    for path, (text, mode) in files.TEXTS.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text)
        target.chmod(mode)
    for path, text in files.LINKS.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(text)
    for link in sorted((tree / WANTS).glob("*.wants/*")):
        if link.name not in files.KEPT_UNITS and "sysinit" not in link.parent.name:
            link.unlink()


def _compare(rootfs: Rootfs, tree: Path) -> None:
    """The same programs, bit by bit, as every other arm has."""
    differing = [path for path, digest in rootfs.programs.items() if _sha256(tree, path) != digest]
    if differing:
        shown = ", ".join(sorted(differing)[:SHOWN])
        raise RuntimeFault(
            f"{len(differing)} programs of the full VM differ from the shared root filesystem's: "
            f"{shown}",
            hint="the package archive has moved on since it was built: invoke clean --cache",
        )


def _sha256(tree: Path, path: str) -> str:
    try:
        with (tree / path.lstrip("/")).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def newest(tree: Path, pattern: str) -> str:
    """Absolute path, in the tree, of the newest file that matches ``pattern``.

    Raises:
        RuntimeFault: there is none.
    """
    found = sorted(tree.glob(pattern), key=lambda path: numbers_in(path.name))
    if not found:
        raise RuntimeFault(f"the full VM's packages brought no {pattern}")
    return f"/{found[-1].relative_to(tree)}"


def numbers_in(name: str) -> tuple[int, ...]:
    """Numbers in a kernel's name, for sorting."""
    return tuple(int(part) for part in "".join(c if c.isdigit() else " " for c in name).split())
