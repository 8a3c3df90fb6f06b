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
from dataclasses import dataclass, replace
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import DEFAULT, Rules
from runtimes.images.layers.stack import union
from runtimes.images.layers.stack.members import member_at
from runtimes.images.layers.stack.tree import Marks, Tree
from runtimes.images.layers.stack.union import Found, Pile
from runtimes.images.layers.tar.member import EPOCH_NS, Member
from runtimes.images.layers.unpack import create
from runtimes.images.layers.unpack.lookup import NoDirectoryFault, Place, Sight
from runtimes.images.layers.unpack.pruning import prune
from runtimes.images.layers.whiteouts import OPAQUE, PREFIX, hidden_name

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
        return apply_above(members, root, pile, rules, Budget(rules))


def apply_above(
    members: Iterable[Member], root: Path, below: Pile, rules: Rules, budget: Budget
) -> Applied:
    """As ``apply``, above layers that are open, and that others are unpacked above too.

    ``budget`` is that of the image, which the layers below took from before.
    """
    with Tree(root, below.marks) as own:
        work = _Layer(own, below, rules, budget)
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


class _Layer:
    """A layer in the making."""

    def __init__(self, own: Tree, below: Pile, rules: Rules, budget: Budget) -> None:
        self._own, self._below, self._rules, self._budget = own, below, rules, budget
        self._sight = Sight(own, below, rules, budget)
        self._places: dict[str, Place] = {}
        """Where names of directories lead; forgotten whenever a directory or a link goes."""
        self._followed: set[str] = set()
        """Links that those names led through."""
        self._times: dict[str, int] = {}
        self._brought: set[str] = set()
        """What is here only because something below or linked to it is; also what was removed."""
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
            with contextlib.suppress(NoDirectoryFault):  # then nothing is there to be hidden
                self._hide(self._resolve(name, imply=False), gone)
            return
        parent = self._resolve(name)
        self._check_path(parent, base)
        if member.kind == "hardlink":
            self._link(member, parent, base)
        else:
            self._make(member, parent, base)

    def finish(self) -> None:
        """Set the times of directories, which their children changed until now."""
        if not self._has_root:
            found = self._below.top()
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
            create.dress(member, descriptor)
        self._times[""] = member.mtime_ns

    def _count(self, size: int) -> None:
        self.entries += 1
        self.size_bytes += size
        self._budget.made(size)

    def _check_path(self, parent: Place, base: str) -> None:
        """Names are bounded where they lead, too: a link makes a deep path out of a short one."""
        path = parent.of(base)
        self._rules.check_name(path)
        self._budget.walked(len(path))

    def _make(self, member: Member, parent: Place, base: str) -> None:
        path = parent.of(base)
        if member.kind in {"character", "block"}:
            kind = stat.S_IFCHR if member.kind == "character" else stat.S_IFBLK
            self._rules.check_device(member.name, kind, member.device)
        with self._own.directory(parent.path) as descriptor:
            there = self._own.lstat(path)
            is_directory = member.kind == "directory"
            if is_directory and there is not None and stat.S_ISDIR(there.st_mode):
                create.dress_directory(member, descriptor, base)
                self._brought.discard(path)
            else:
                self._make_room(descriptor, path, there)
                create.make(member, descriptor, base)
                if is_directory and there is not None:
                    self._own.set_opaque(path)  # it replaces, it is not merged
            if is_directory:
                self._times[path] = member.mtime_ns

    def _make_room(self, parent: int, path: str, there: os.stat_result | None) -> None:
        """Remove what is ``there``; what was brought below it is not there any more either."""
        self._brought.discard(path)
        is_directory = there is not None and stat.S_ISDIR(there.st_mode)
        if is_directory or path in self._followed:
            self._places.clear()
            self._followed.clear()
        if there is not None:
            create.remove(parent, path.rpartition("/")[2], there)

    def _link(self, member: Member, parent: Place, base: str) -> None:
        target_name, _, target_base = member.link.rpartition("/")
        target_parent = self._resolve(target_name)
        target, path = target_parent.of(target_base), parent.of(base)
        found = self._sight.at(target_parent, target_base)
        replaces_it = target == path or target.startswith(f"{path}/")
        if found is None or found.is_directory or replaces_it:
            raise HostileArchive(
                f"{member.name!r}: hard link to {member.link!r}, which is not a file before it"
            )
        if found.tree is not self._own:
            self._copy_up(found, target_parent, target_base)
        with (
            self._own.directory(target_parent.path) as source,
            self._own.directory(parent.path) as into,
        ):
            there = self._own.lstat(path)
            self._make_room(into, path, there)
            os.link(target_base, base, src_dir_fd=source, dst_dir_fd=into, follow_symlinks=False)

    def _copy_up(self, found: Found, parent: Place, base: str) -> None:
        like = member_at(found, found.path, self._rules)
        self._count(like.size)
        with self._own.directory(parent.path) as descriptor:
            create.make(like, descriptor, base)
        self._brought.add(parent.of(base))

    def _hide(self, parent: Place, base: str) -> None:
        """Hide what layers below have; what this layer has itself stays, in whatever order."""
        if not len(self._below):
            return
        path = parent.path if base == OPAQUE else parent.of(base)
        there = self._own.lstat(path)
        if there is not None and stat.S_ISDIR(there.st_mode):
            if self._own.is_opaque(path):
                return
            self._places.clear()
            nothing_left = prune(self._own, path, self._brought)
            if base == OPAQUE or not nothing_left or path not in self._brought:
                self._own.set_opaque(path)
                return
        elif there is not None and path not in self._brought:
            return
        with self._own.directory(parent.path) as descriptor:
            self._make_room(descriptor, path, there)
            if self._below.step(parent.below, base) is not None:
                create.make_whiteout(descriptor, base)

    def _resolve(self, name: str, *, imply: bool = True) -> Place:
        """Where the directory ``name`` really is; made in this layer, as are its parents.

        Args:
            name: as written.
            imply: make those that are in no layer; they are not there otherwise.

        Raises:
            HostileArchive: something on the way is no directory, links go round or too deep.
        """
        known = self._places.get(name)
        if known is not None:
            return known
        done = self._sight.follow(name, self._followed, imply=imply)
        for number, place in enumerate(done):  # only now: what links led through is not needed
            if not place.is_own:
                done[number] = self._bring(done[number - 1], place, name)
        self._places[name] = done[-1]
        return done[-1]

    def _bring(self, parent: Place, place: Place, name: str) -> Place:
        """Make the directory ``place`` in this layer, as layers below have it."""
        base = place.path.rpartition("/")[2]
        if base.startswith(PREFIX):
            raise HostileArchive(f"{name!r}: leads to {place.path!r}, which is a whiteout's name")
        like = Member(place.path, "directory", 0o755, os.geteuid(), os.getegid(), EPOCH_NS)
        if place.below is not None:
            like = member_at(place.below, place.path, self._rules)
        self._count(0)
        self._check_path(parent, base)
        self._make(like, parent, base)
        self._brought.add(place.path)
        return replace(place, is_own=True)
