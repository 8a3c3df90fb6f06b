"""What a stack of layers shows at a path: overlayfs' rules, without a mount.

Source: Linux' Documentation/filesystems/overlayfs.rst and fs/overlayfs/namei.c.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.images.layers.stack.tree import Marks, Tree, is_whiteout


@dataclass(frozen=True, slots=True)
class Found:
    """What is seen at a path."""

    path: str
    status: os.stat_result
    trees: tuple[Tree, ...]
    """Topmost first: the layer it is seen from and, for a directory, all that are merged in it."""

    @property
    def tree(self) -> Tree:
        """The layer whose owner, mode, attributes and content are seen."""
        return self.trees[0]

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)


def look(trees: Iterable[Tree], path: str, below: Found | None = None) -> Found | None:
    """What ``trees`` (topmost first, all having the parent of ``path``) show at ``path``.

    ``below`` is what is seen there under all of them.
    """
    status: os.stat_result | None = None
    merged: list[Tree] = []
    for tree in trees:
        here = tree.lstat(path)
        if here is None:
            continue
        if is_whiteout(here):
            break
        if not stat.S_ISDIR(here.st_mode):
            if status is None:
                return Found(path, here, (tree,))
            break
        status = status or here
        merged.append(tree)
        if tree.is_opaque(path):
            break
    else:
        if status is None:
            return below
        merged += below.trees if below is not None and below.is_directory else ()
    return None if status is None else Found(path, status, tuple(merged))


def find(trees: Sequence[Tree], path: str) -> Found | None:
    """What ``trees`` (topmost first) show at ``path``, links on the way not followed."""
    found = look(trees, "")
    for here in _ways(path):
        if found is None or not found.is_directory:
            return None
        found = look(found.trees, here)
    return found


class Pile:
    """Layers that do not change any more, and what they show: remembered, layer by layer.

    A path that was asked for before is looked up in the layers that have come since, not in all of
    them again: so unpacking an image of many layers takes work that grows with their number, not
    with its square.
    """

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        self._heights: dict[Tree, int] = {}
        """How many layers are below each; lowest first."""
        self._known: dict[str, tuple[int, Found | None]] = {}
        """Path → how many layers there were, and what they showed."""
        self._listed: dict[str, tuple[int, dict[str, list[Tree]]]] = {}
        """Directory → how many layers there were, and all names in it, hidden ones too."""

    def __len__(self) -> int:
        return len(self._heights)

    def put(self, layer: Path) -> None:
        """One more layer, on top of the others."""
        self._heights[Tree(layer, self.marks)] = len(self._heights)

    def find(self, path: str) -> Found | None:
        """As the function of that name."""
        found = self.top()
        for part in path.split("/") if path else ():
            found = self.step(found, part)
        return found

    def top(self) -> Found | None:
        """The root; ``None`` where there are no layers."""
        height, found = self._known.get("", (0, None))
        if height < len(self):
            found = look(self._since(height, tuple(reversed(self._heights))), "", found)
            self._known[""] = (len(self), found)
        return found

    def step(self, parent: Found | None, base: str) -> Found | None:
        """What is at ``base`` in ``parent``, as it was found here."""
        if parent is None or not parent.is_directory:
            return None
        path = f"{parent.path}/{base}" if parent.path else base
        height, found = self._known.get(path, (0, None))
        if height < len(self):
            lowest = self._heights[parent.trees[-1]]
            if lowest >= height:
                found = None  # what was seen is hidden, or there was nothing
            floor = max(height, lowest)
            having = reversed(self._names(parent).get(base, ()))
            newer = tuple(itertools.takewhile(lambda tree: self._heights[tree] >= floor, having))
            found = look(newer, path, found)
            self._known[path] = (len(self), found)
        return found

    def _since(self, height: int, trees: Sequence[Tree]) -> Sequence[Tree]:
        return tuple(itertools.takewhile(lambda tree: self._heights[tree] >= height, trees))

    def _names(self, directory: Found) -> Mapping[str, Sequence[Tree]]:
        """Each name in ``directory``, and which layers have it there, the lowest first.

        So a name is looked for only where it is, and not in every layer that has its directory.
        """
        height, names = self._listed.get(directory.path, (0, {}))
        if height < len(self):
            for tree in reversed(self._since(height, directory.trees)):
                with tree.directory(directory.path) as descriptor:
                    for name in os.listdir(descriptor):  # noqa: PTH208  # not of descriptors
                        names.setdefault(name, []).append(tree)
            self._listed[directory.path] = (len(self), names)
        return names

    def close(self) -> None:
        """Let go of the layers."""
        for tree in self._heights:
            tree.close()


def _ways(path: str) -> Iterator[str]:
    """``a``, ``a/b`` and so on, to ``path``."""
    return itertools.accumulate(path.split("/") if path else (), "{}/{}".format)


@contextlib.contextmanager
def piled(directories: Sequence[Path], marks: Marks) -> Iterator[Pile]:
    """A pile of ``directories``, topmost first, closed afterwards with what was put on it."""
    with contextlib.closing(Pile(marks)) as pile:
        for directory in reversed(directories):
            pile.put(directory)
        yield pile


@contextlib.contextmanager
def opened(directories: Sequence[Path], marks: Marks = "trusted") -> Iterator[tuple[Tree, ...]]:
    """The trees of ``directories``, in their order, closed afterwards."""
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(Tree(path, marks)) for path in directories)
