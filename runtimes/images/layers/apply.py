"""Members of a layer into a directory that overlayfs can take as one of its lowers.

Names lead where they would lead in the whole root filesystem, that is through links of this layer
and of those below it, and never out of it: every component is looked up with openat2, links are
expanded here.  So what a layer becomes depends on the layers below it: a directory that it only
implies keeps the owner and mode it has there, a hard link to a file of theirs copies it up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.base import RuntimeFault
from runtimes.images.canonical import HostileArchive
from runtimes.images.layers import making, union
from runtimes.images.layers.member import EPOCH_NS, Member
from runtimes.images.layers.pruning import prune
from runtimes.images.layers.reading import member_at
from runtimes.images.layers.rules import DEFAULT, Rules
from runtimes.images.layers.tree import Marks, Tree
from runtimes.images.layers.union import Found, Pile
from runtimes.images.layers.whiteouts import OPAQUE, PREFIX, hidden_name

_MAX_LINKS = 40
"""Symbolic links followed in one path, as in Linux' path_resolution(7)."""

_HINTS = {
    errno.EPERM: "layers hold owners, devices and attributes that only root can make",
    errno.ENOSPC: "free some space, or set TAREBENCH_CACHE to another file system",
    errno.EDQUOT: "free some space, or set TAREBENCH_CACHE to another file system",
    errno.ENOTSUP: "set TAREBENCH_CACHE to a file system with extended attributes",
}


@dataclass(frozen=True, slots=True)
class Applied:
    """What a layer came to."""

    entries: int
    """Names made, implied directories and whiteouts included."""
    size_bytes: int
    """Content written."""


def apply(
    members: Iterable[Member],
    root: Path,
    below: Sequence[Path] = (),
    rules: Rules = DEFAULT,
    marks: Marks = "trusted",
) -> Applied:
    """Put ``members`` into ``root``, an empty directory that nobody else writes to.

    Args:
        members: in any order; a later one of the same name replaces an earlier one.
        root: becomes the layer.
        below: the layers below it, topmost first.
        rules: bounds; names, links and devices are judged by them again, wherever they came from.
        marks: attributes that say what is opaque.

    Raises:
        HostileArchive: something that no layer may hold, with its name.
        RuntimeFault: the system refuses, with the name and the next step.
    """
    with union.piled(below, marks) as pile:
        return apply_above(members, root, pile, rules)


def apply_above(members: Iterable[Member], root: Path, below: Pile, rules: Rules) -> Applied:
    """As ``apply``, above layers that are open, and that others are unpacked above too."""
    with Tree(root, below.marks) as own:
        work = _Layer(own, below, rules)
        for member in members:
            try:
                work.put(member)
            except OSError as error:
                raise _explained(member.name, error) from error
        work.finish()
        return Applied(work.entries, work.size_bytes)


def _explained(name: str, error: OSError) -> RuntimeFault:
    return RuntimeFault(
        f"cannot make {name!r} of a layer: {error.strerror or error}",
        hint=_HINTS.get(error.errno or 0, ""),
    )


class _NoDirectoryFault(HostileArchive):
    """A name goes on below something that is no directory."""


class _Layer:
    """A layer in the making."""

    def __init__(self, own: Tree, below: Pile, rules: Rules) -> None:
        self._own, self._below, self._rules = own, below, rules
        self._parents: dict[str, str] = {}
        """Where names of directories lead; forgotten whenever a directory goes."""
        self._times: dict[str, int] = {}
        self._brought: set[str] = set()
        """What is here only because something below or linked to it is."""
        self._has_root = False
        self.entries = 0
        self.size_bytes = 0

    def put(self, member: Member) -> None:
        self._count(member.size)
        self._rules.check_name(member.name)
        gone = hidden_name(member)
        if not member.name:
            self._has_root = True
            self._dress_root(member)
            return
        name, _, base = member.name.rpartition("/")
        if base in {"", ".", ".."}:
            raise HostileArchive(f"{member.name!r}: not a name")
        if gone is not None:
            with contextlib.suppress(_NoDirectoryFault):  # then nothing is there to be hidden
                self._hide(self._resolve(name, imply=False), gone)
            return
        parent = self._resolve(name)
        if member.kind == "hardlink":
            self._link(member, parent, base)
        else:
            self._make(member, parent, base)

    def finish(self) -> None:
        """Set the times of directories, which their children changed until now."""
        if not self._has_root:
            found = self._below.find("")
            like = Member("", "directory", 0o755, os.geteuid(), os.getegid())
            self._dress_root(like if found is None else member_at(found, "", self._rules))
        for path, mtime_ns in self._times.items():
            status = self._own.lstat(path)
            if status is not None and stat.S_ISDIR(status.st_mode):
                with self._own.directory(path) as descriptor:
                    os.utime(descriptor, ns=(mtime_ns, mtime_ns))

    def _dress_root(self, member: Member) -> None:
        if member.kind != "directory":
            raise HostileArchive("the root must be a directory")
        with self._own.directory("") as descriptor:
            making.dress(member, descriptor)
        self._times[""] = member.mtime_ns

    def _count(self, size: int) -> None:
        self.entries += 1
        self.size_bytes += size
        if self.entries > self._rules.entries:
            raise HostileArchive(f"more than {self._rules.entries} entries")
        if self.size_bytes > self._rules.total_bytes:
            raise HostileArchive(f"more than {self._rules.total_bytes} bytes of content")

    def _make(self, member: Member, parent: str, base: str) -> None:
        path = _join(parent, base)
        if member.kind in {"character", "block"}:
            kind = stat.S_IFCHR if member.kind == "character" else stat.S_IFBLK
            self._rules.check_device(member.name, kind, member.device)
        with self._own.directory(parent) as descriptor:
            there = self._own.lstat(path)
            is_directory = member.kind == "directory"
            if is_directory and there is not None and stat.S_ISDIR(there.st_mode):
                making.dress_directory(member, descriptor, base)
                self._brought.discard(path)
            else:
                self._make_room(descriptor, path, there)
                making.make(member, descriptor, base)
                if is_directory and there is not None:
                    self._own.set_opaque(path)  # it replaces, it is not merged
            if is_directory:
                self._times[path] = member.mtime_ns

    def _make_room(self, parent: int, path: str, there: os.stat_result | None) -> None:
        self._brought.discard(path)
        if there is not None:
            making.remove(parent, path.rpartition("/")[2], there)
            if stat.S_ISDIR(there.st_mode):
                self._parents.clear()
                below = f"{path}/"
                self._brought -= {one for one in self._brought if one.startswith(below)}

    def _link(self, member: Member, parent: str, base: str) -> None:
        target_name, _, target_base = member.link.rpartition("/")
        target_parent = self._resolve(target_name)
        target, path = _join(target_parent, target_base), _join(parent, base)
        found = union.find_above(self._own, self._below, target)
        if found is None or found.is_directory or target == path:
            raise HostileArchive(
                f"{member.name!r}: hard link to {member.link!r}, which is not a file before it"
            )
        if found.tree is not self._own:
            self._copy_up(found, target_parent, target_base)
        with self._own.directory(target_parent) as source, self._own.directory(parent) as into:
            there = self._own.lstat(path)
            self._make_room(into, path, there)
            os.link(target_base, base, src_dir_fd=source, dst_dir_fd=into, follow_symlinks=False)

    def _copy_up(self, found: Found, parent: str, base: str) -> None:
        like = member_at(found, found.path, self._rules)
        self._count(like.size)
        with self._own.directory(parent) as descriptor:
            making.make(like, descriptor, base)
        self._brought.add(_join(parent, base))

    def _hide(self, parent: str, base: str) -> None:
        """Hide what layers below have; what this layer has itself stays, in whatever order."""
        path = parent if base == OPAQUE else _join(parent, base)
        there = self._own.lstat(path)
        if there is not None and stat.S_ISDIR(there.st_mode):
            self._parents.clear()
            nothing_left = prune(self._own, path, self._brought)
            if base == OPAQUE or not nothing_left or path not in self._brought:
                if len(self._below):
                    self._own.set_opaque(path)
                return
        elif there is not None and path not in self._brought:
            return
        with self._own.directory(parent) as descriptor:
            self._make_room(descriptor, path, there)
            if union.find_above(self._own, self._below, path) is not None:
                making.make_whiteout(descriptor, base)

    def _resolve(self, name: str, *, imply: bool = True) -> str:
        """Where the directory ``name`` really is; made in this layer, as are its parents.

        Args:
            name: as written.
            imply: make those that are in no layer; they are not there otherwise.

        Raises:
            HostileArchive: something on the way is no directory, or links go round.
        """
        known = self._parents.get(name)
        if known is not None:
            return known
        pending = name.split("/")[::-1]
        done: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                done = done[:-1]
            if part in {"", ".", ".."}:
                continue
            here = "/".join((*done, part))
            target = self._target(here, name, imply=imply)
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise HostileArchive(f"{name!r}: too many symbolic links")
            done = [] if target.startswith("/") else done
            pending += target.split("/")[::-1]
        for place in range(len(done)):  # only now: what links were followed through is not needed
            self._bring("/".join(done[: place + 1]), name)
        self._parents[name] = "/".join(done)
        return self._parents[name]

    def _target(self, here: str, name: str, *, imply: bool) -> str | None:
        """Target of the link at ``here``; ``None`` where a directory is, or may be made."""
        status = self._own.lstat(here)
        if status is not None and stat.S_ISDIR(status.st_mode):
            return None
        found = union.find_above(self._own, self._below, here)
        if found is None:
            if not imply:
                raise _NoDirectoryFault(f"{name!r}: {here!r} is not there")
        elif stat.S_ISLNK(found.status.st_mode):
            return found.tree.readlink(here)
        elif not found.is_directory:
            raise _NoDirectoryFault(f"{name!r}: {here!r} is not a directory")
        return None

    def _bring(self, here: str, name: str) -> None:
        """Make sure that the directory ``here`` is in this layer, as layers below have it."""
        status = self._own.lstat(here)
        if status is not None and stat.S_ISDIR(status.st_mode):
            return
        found = union.find_above(self._own, self._below, here)
        parent, _, base = here.rpartition("/")
        if base.startswith(PREFIX):
            raise HostileArchive(f"{name!r}: leads to {here!r}, which is a whiteout's name")
        like = Member(here, "directory", 0o755, os.geteuid(), os.getegid(), EPOCH_NS)
        if found is not None:
            like = member_at(found, here, self._rules)
        self._count(0)
        self._make(like, parent, base)
        self._brought.add(here)


def _join(parent: str, base: str) -> str:
    return f"{parent}/{base}" if parent else base
