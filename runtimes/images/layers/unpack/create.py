"""One member made in an open directory, by name and descriptor only."""

from __future__ import annotations

import os
import stat

from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.tar.member import Kind, Member
from runtimes.linux import trees

_NODES: dict[Kind, int] = {
    "character": stat.S_IFCHR,
    "block": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make(member: Member, parent: int, base: str) -> None:
    """Make ``base``, which must not exist, in the directory ``parent``; not for hard links.

    A directory's modification time is not set: what is made in it changes it.

    Raises:
        HostileArchive: its content is not as long as it says.
        OSError: as the system calls.
    """
    if member.kind == "file":
        descriptor = os.open(base, _NEW, 0o600, dir_fd=parent)
        try:
            _write(member, descriptor)
            dress(member, descriptor)
            os.utime(descriptor, ns=(member.mtime_ns, member.mtime_ns))
        finally:
            os.close(descriptor)
        return
    if member.kind == "directory":
        os.mkdir(base, 0o700, dir_fd=parent)
        dress_directory(member, parent, base)
        return
    if member.kind == "symlink":
        os.symlink(member.link, base, dir_fd=parent)
    else:
        device = os.makedev(*member.device)
        os.mknod(base, _NODES[member.kind] | 0o600, device, dir_fd=parent)
    _dress_by_name(member, parent, base)


def dress_directory(member: Member, parent: int, base: str) -> None:
    """Owner, mode and attributes of the directory ``base`` in ``parent``."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(base, flags, dir_fd=parent)
    try:
        dress(member, descriptor)
    finally:
        os.close(descriptor)


def dress(member: Member, descriptor: int) -> None:
    """Owner, then mode and attributes: a new owner takes setuid bits and capabilities away."""
    os.chown(descriptor, member.uid, member.gid)
    os.fchmod(descriptor, member.mode)
    for name, value in member.xattrs.items():
        os.setxattr(descriptor, name, value)


def _dress_by_name(member: Member, parent: int, base: str) -> None:
    """As ``dress``, for what cannot be opened without doing something."""
    os.chown(base, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
    if member.kind != "symlink":  # it was made just now, by us, where nobody else writes
        os.chmod(base, member.mode, dir_fd=parent)
    for name, value in member.xattrs.items():
        os.setxattr(f"/proc/self/fd/{parent}/{base}", name, value, follow_symlinks=False)
    times = (member.mtime_ns, member.mtime_ns)
    os.utime(base, ns=times, dir_fd=parent, follow_symlinks=False)


def _write(member: Member, descriptor: int) -> None:
    size = 0
    for piece in member.pieces:
        view = memoryview(piece)
        size += len(view)
        while view:
            view = view[os.write(descriptor, view) :]
    if size != member.size:
        raise HostileArchive(f"{member.name!r}: {size} bytes instead of {member.size}")


def make_whiteout(parent: int, base: str) -> None:
    """The mark that ``base`` is gone; no privilege is needed for it (since Linux 5.8)."""
    os.mknod(base, stat.S_IFCHR, 0, dir_fd=parent)


def remove(parent: int, base: str, status: os.stat_result) -> None:
    """Remove ``base`` and, if a directory, all in it; links are removed, not followed."""
    if stat.S_ISDIR(status.st_mode):
        trees.remove_at(parent, base)
    else:
        os.unlink(base, dir_fd=parent)
