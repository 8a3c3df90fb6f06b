"""What lies in a layer's directory, as members again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from runtimes.faults import RuntimeFault
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.stack.tree import Tree
from runtimes.images.layers.stack.union import Found
from runtimes.images.layers.tar.member import Kind, Member

_CHUNK_BYTES = 1 << 20

_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}


def member_at(found: Found, name: str, rules: Rules) -> Member:
    """What was ``found``, called ``name``; its content is read when asked for.

    Raises:
        RuntimeFault: a socket, or something else that no layer holds.
    """
    status, tree = found.status, found.tree
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        raise RuntimeFault(f"{tree.path}/{found.path}: a socket cannot be in a layer")
    xattrs = {
        key: value
        for key, value in tree.xattrs(found.path).items()
        if not key.startswith(("trusted.", "user.overlay."))
    }
    is_device = kind in {"character", "block"}
    return Member(
        name,
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        size=status.st_size if kind == "file" else 0,
        link=tree.readlink(found.path) if kind == "symlink" else "",
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
        xattrs=rules.kept_xattrs(name, xattrs),
        pieces=_pieces(tree, found.path) if kind == "file" else (),
    )


def _pieces(tree: Tree, path: str) -> Iterator[bytes]:
    with tree.opened(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) as descriptor:
        while piece := os.read(descriptor, _CHUNK_BYTES):
            yield piece
