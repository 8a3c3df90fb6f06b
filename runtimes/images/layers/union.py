"""What a stack of layers shows at a path: overlayfs' rules, without a mount.

Source: Linux' Documentation/filesystems/overlayfs.rst and fs/overlayfs/namei.c.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.images.layers.tree import Marks, Tree, is_whiteout


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


def look(trees: Sequence[Tree], path: str) -> Found | None:
    """What ``trees`` (topmost first, all having the parent of ``path``) show at ``path``."""
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
    return None if status is None else Found(path, status, tuple(merged))


def find(trees: Sequence[Tree], path: str) -> Found | None:
    """What ``trees`` (topmost first) show at ``path``, links on the way not followed."""
    found = look(trees, "")
    here = ""
    for part in path.split("/") if path else ():
        if found is None or not found.is_directory:
            return None
        here = f"{here}/{part}" if here else part
        found = look(found.trees, here)
    return found


@contextlib.contextmanager
def opened(directories: Sequence[Path], marks: Marks = "trusted") -> Iterator[tuple[Tree, ...]]:
    """The trees of ``directories``, in their order, closed afterwards."""
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(Tree(path, marks)) for path in directories)
