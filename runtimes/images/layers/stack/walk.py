"""A stack of layers as members, merged as a box sees it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from runtimes.images.layers.limits.rules import DEFAULT, Rules
from runtimes.images.layers.stack import union
from runtimes.images.layers.stack.members import member_at
from runtimes.images.layers.stack.tree import Marks, Tree
from runtimes.images.layers.stack.union import Found
from runtimes.images.layers.tar.member import Member


def merged(
    directories: Sequence[Path], rules: Rules = DEFAULT, marks: Marks = "trusted"
) -> Iterator[Member]:
    """What ``directories`` (topmost first) look like together: the root, then names sorted.

    Names are sorted as bytes within each directory, parents come before children.  The first name
    of a hard-linked file holds its content.

    Raises:
        HostileArchive: a path that no layer may have.
        OSError: something cannot be read.
    """
    with union.opened(directories, marks) as trees:
        yield from _Walk(rules).below(union.find(trees, ""))


class _Walk:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._first: dict[tuple[int, int], str] = {}

    def below(self, found: Found | None) -> Iterator[Member]:
        """The directory that was ``found``, then all in it.  A stack, for trees of any depth."""
        pending = [found]
        while pending:
            here = pending.pop()
            if here is None:
                continue
            yield self._member(here)
            if not here.is_directory:
                continue
            having: dict[str, list[Tree]] = {}
            for tree in here.trees:
                for name in _names(tree, here.path):
                    having.setdefault(name, []).append(tree)
            prefix = f"{here.path}/" if here.path else ""
            for name in sorted(having, key=os.fsencode, reverse=True):
                self._rules.check_name(prefix + name)
                pending.append(union.look(having[name], prefix + name))

    def _member(self, found: Found) -> Member:
        member = member_at(found, found.path, self._rules)
        if found.is_directory or found.status.st_nlink == 1:
            return member
        inode = (found.status.st_dev, found.status.st_ino)
        first = self._first.setdefault(inode, found.path)
        if first == found.path:
            return member
        return replace(member, kind="hardlink", link=first, size=0, xattrs={}, pieces=())


def _names(tree: Tree, path: str) -> list[str]:
    with tree.directory(path) as descriptor:
        return os.listdir(descriptor)  # noqa: PTH208  # pathlib knows no descriptors
