"""Arranged entries into a directory, in which nothing can point or be written outside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.images.canonical import DEVICES, EPOCH_S, Entry, pieces
from runtimes.linux import trees
from runtimes.linux.ids.rights import is_host_root

_MAX_LINKS = 40
"""Symbolic links followed in one path, as in Linux' path_resolution(7)."""

_TIMES = (EPOCH_S, EPOCH_S)


def unpack(arranged: Sequence[Entry], root: Path) -> None:
    """Make ``root`` (must not exist) and everything in it.

    ``arranged`` comes from ``canonical.arrange``: every parent is a directory that was made
    here before its children, so no name ever passes through a symbolic link.

    Raises:
        OSError: no space; not root, of a user namespace at least, who may give owners.
    """
    root.mkdir()
    root.chmod(0o755)
    for entry in arranged:
        _make(entry, root)
    for entry in reversed(arranged):
        if entry.kind == "directory":
            os.utime(root / entry.name, _TIMES)
    os.utime(root, _TIMES)


def _make(entry: Entry, root: Path) -> None:
    path = root / entry.name
    if entry.kind == "directory":
        path.mkdir()
    elif entry.kind == "symlink":
        path.symlink_to(entry.link)
    elif entry.kind == "hardlink":
        os.link(root / entry.link, path, follow_symlinks=False)
        return
    elif entry.kind == "device":
        _make_device(path, os.makedev(*DEVICES[entry.name]))
    else:
        with path.open("xb") as file:
            for piece in pieces(entry.content):
                file.write(piece)
    os.lchown(path, entry.uid, entry.gid)
    if entry.kind != "symlink":
        path.chmod(entry.mode)
    if entry.capability:
        os.setxattr(path, "security.capability", entry.capability)
    if entry.kind != "directory":
        os.utime(path, _TIMES, follow_symlinks=False)


def _make_device(path: Path, number: int) -> None:
    """Root of a user namespace gets an empty file: every box covers /dev with working ones."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, number)
    except PermissionError:
        if is_host_root():
            raise
        path.touch(exist_ok=False)


def resolve(root: Path, path: str) -> str:
    """Where ``path`` leads inside ``root``, as a process rooted there would find it.

    Returns:
        An absolute path in the root without symbolic links.

    Raises:
        FileNotFoundError: nothing is there.
        RuntimeFault: symbolic links go round in circles.
    """
    pending = [part for part in reversed(path.split("/")) if part]
    done: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == ".":
            continue
        if part == "..":
            done = done[:-1]
            continue
        here = root.joinpath(*done, part)
        if not stat.S_ISLNK(here.lstat().st_mode):
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise RuntimeFault(f"{path}: too many symbolic links in {root}")
        target = str(here.readlink())
        if target.startswith("/"):
            done = []
        pending += [part for part in reversed(target.split("/")) if part]
    return "/" + "/".join(done)


def remove_tree(directory: Path) -> None:
    """Remove ``directory`` and all in it; what is mounted below it is unmounted, never emptied.

    Raises:
        RuntimeFault: something is mounted there and cannot be unmounted, or cannot be removed.
    """
    for mount in reversed(_mounts_below(directory)):
        process.run(
            ["umount", "--lazy", str(mount)],
            timeout_s=30,
            hint=f"something is mounted below {directory}: unmount it by hand",
        )
    if directory.is_symlink() or not directory.exists():
        directory.unlink(missing_ok=True)
        return
    try:
        trees.remove(directory)
    except OSError as error:
        raise RuntimeFault(f"cannot remove {directory}: {error}") from error


def _mounts_below(directory: Path) -> list[Path]:
    prefix = f"{directory.resolve()}/"
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        point = line.split(" ")[4].encode("utf-8", "surrogateescape")
        decoded = os.fsdecode(point.decode("unicode_escape").encode("latin-1"))
        if f"{decoded}/".startswith(prefix):
            mounts.append(Path(decoded))
    return mounts
