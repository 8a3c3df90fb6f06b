"""What a layer has only because something needed it, once that is hidden, goes again."""

from __future__ import annotations

import os
import stat

from runtimes.images.layers.tree import Tree, is_whiteout


def prune(own: Tree, path: str, brought: set[str]) -> bool:
    """Remove what is below the directory ``path`` of a layer and not the layer's own.

    That is directories which were only implied, files which were only linked to (``brought``,
    from which they are taken), and marks: all that is below is about to be hidden anyway.

    Returns:
        Whether nothing is left below ``path``.
    """
    left = 0
    with own.directory(path) as descriptor:
        for name in os.listdir(descriptor):  # noqa: PTH208  # pathlib knows no descriptors
            child = f"{path}/{name}" if path else name
            status = os.lstat(name, dir_fd=descriptor)
            if stat.S_ISDIR(status.st_mode):
                gone = prune(own, child, brought) and child in brought
                if gone:
                    os.rmdir(name, dir_fd=descriptor)
            else:
                gone = child in brought or is_whiteout(status)
                if gone:
                    os.unlink(name, dir_fd=descriptor)
            if gone:
                brought.discard(child)
            left += not gone
    return left == 0
