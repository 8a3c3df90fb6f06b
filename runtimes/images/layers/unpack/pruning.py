"""What a layer has only because something needed it, once that is hidden, goes again."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from runtimes.images.layers.stack.tree import Tree, is_whiteout


@dataclass(slots=True)
class _Level:
    path: str
    directories: list[str]
    """Those that were not looked through yet."""
    stays: bool
    """Whether something in it is the layer's own."""


def prune(own: Tree, path: str, brought: set[str]) -> bool:
    """Remove what is below the directory ``path`` of a layer and not the layer's own.

    That is directories which were only implied, files which were only linked to (``brought``,
    from which they are taken), and marks: all that is below is about to be hidden anyway.  Below
    an opaque directory nothing of that kind is left, and it is not looked through again.

    Returns:
        Whether nothing is left below ``path``.
    """
    levels = [_looked_through(own, path, brought)]
    while True:
        level = levels[-1]
        if level.directories:
            name = level.directories.pop()
            child = f"{level.path}/{name}" if level.path else name
            if own.is_opaque(child):
                level.stays = True
            else:
                levels.append(_looked_through(own, child, brought))
            continue
        levels.pop()
        if not levels:
            return not level.stays
        if level.stays or level.path not in brought:
            levels[-1].stays = True
            continue
        brought.discard(level.path)
        with own.directory(levels[-1].path) as descriptor:
            os.rmdir(level.path.rpartition("/")[2], dir_fd=descriptor)


def _looked_through(own: Tree, path: str, brought: set[str]) -> _Level:
    """One directory, without what goes of it at once."""
    level = _Level(path, [], stays=False)
    with own.directory(path) as descriptor:
        for name in os.listdir(descriptor):  # noqa: PTH208  # pathlib knows no descriptors
            child = f"{path}/{name}" if path else name
            status = os.lstat(name, dir_fd=descriptor)
            if stat.S_ISDIR(status.st_mode):
                level.directories.append(name)
            elif child in brought or is_whiteout(status):
                os.unlink(name, dir_fd=descriptor)
                brought.discard(child)
            else:
                level.stays = True
    return level
