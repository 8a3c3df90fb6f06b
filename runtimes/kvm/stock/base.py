"""What of the full VM does not depend on our own programs: its packages, its kernel's initramfs.

Installing them is most of the work.  Kept by the packages and their versions, it is done again when
the distribution has moved on, not whenever a program of ours has changed and with it the digest of
the shared root filesystem.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from runtimes import process
from runtimes.images import storage
from runtimes.images.rootfs import apt_sources, mmdebstrap, recipe
from runtimes.images.rootfs.recipe import Recipe
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.images.unpack import remove_tree
from runtimes.kvm.stock import files

TIMEOUT_S = 300.0
NEEDED_BYTES = 2_500_000_000
ARCHIVE = "base.tar"


def sources(rootfs: Rootfs) -> tuple[Recipe, tuple[str, ...]]:
    """What is installed from where."""
    distribution = recipe.host_distribution()
    extra = files.packages(distribution.id, rootfs.architecture)
    wanted = Recipe(distribution.suite, tuple(sorted({*rootfs.packages, *extra})))
    read = apt_sources.read(Path("/etc/apt"))
    return wanted, apt_sources.archive_lines(read, distribution, rootfs.architecture)


def base_archive(rootfs: Rootfs, cache: Path, progress: Callable[[str], None]) -> Path:
    """The archive of that tree, from the cache or made now.

    Raises:
        RuntimeFault: mmdebstrap or the initramfs' maker failed, or there is no space.
    """
    entry = cache / "stock-base" / _key(rootfs)
    archive = entry / ARCHIVE
    if archive.exists():
        storage.mark_used(entry)
        return archive
    with storage.building(
        entry, needed_bytes=NEEDED_BYTES, progress=progress, what="the full VM's packages"
    ) as scratch:
        if not archive.exists():
            whole = scratch / "entry"
            whole.mkdir()
            _make(rootfs, whole / ARCHIVE, scratch, progress)
            storage.publish(whole, entry)
    return archive


def unpack(archive: Path, tree: Path) -> None:
    """Unpack the archive into a new directory."""
    tree.mkdir()
    argv = ["tar", "-xpf", str(archive), "--numeric-owner", "--xattrs", "-C", str(tree)]
    process.run(argv, timeout_s=TIMEOUT_S)


def _key(rootfs: Rootfs) -> str:
    wanted, lines = sources(rootfs)
    versions = sorted(rootfs.packages.items())
    said = repr((wanted.suite, wanted.packages, versions, lines, files.FIRST_WORD))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _make(rootfs: Rootfs, target: Path, scratch: Path, progress: Callable[[str], None]) -> None:
    wanted, lines = sources(rootfs)
    packages = mmdebstrap.build_tar(wanted, lines, scratch, progress)
    tree = scratch / "tree"
    progress("unpacking the full VM")
    unpack(packages, tree)
    packages.unlink()
    progress("making the full VM's initramfs")
    path, text = files.FIRST_WORD
    said = tree / path
    said.write_text(text)
    said.chmod(0o755)
    argv = ["chroot", str(tree), "update-initramfs", "-u", "-k", "all"]
    process.run(argv, timeout_s=TIMEOUT_S)
    argv = ["tar", "-cpf", str(target), "--numeric-owner", "--xattrs", "-C", str(tree), "."]
    process.run(argv, timeout_s=TIMEOUT_S)
    remove_tree(tree)
