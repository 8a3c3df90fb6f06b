"""How deep a root's stack is: the same files, in many layers instead of one directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

from runtimes.base import Site
from runtimes.conventions import PREFIX
from runtimes.images.layers import split
from runtimes.images.layers.stack.tree import Marks
from runtimes.images.layers.store.store import LayerStore
from runtimes.launcher import overlay
from runtimes.ns.mounts import roots
from runtimes.ns.mounts.roots import Stack
from runtimes.ns.profile import DEFAULT, Profile

DEEPEST = 0
"""Stands for as many layers as this kernel stacks."""

DEPTHS: Mapping[str, Profile] = {
    "depth-8": replace(DEFAULT, summary="default on a root of 8 layers", depth=8),
    "depth-64": replace(DEFAULT, summary="default on a root of 64 layers", depth=64),
    "depth-limit": replace(
        DEFAULT, summary="default on a root of as many layers as the kernel stacks", depth=DEEPEST
    ),
}


@contextlib.contextmanager
def stacked(site: Site, depth: int, marks: Marks) -> Iterator[Stack]:
    """The run's root filesystem in ``depth`` layers, which the run holds meanwhile.

    Raises:
        RuntimeFault: the layers cannot be made.
    """
    if depth == 1:
        yield roots.of(site.rootfs.directory)
        return
    store = LayerStore(site.cache / "layers", marks=marks)
    holder = f"{PREFIX}-{site.run}-depth-{depth}"
    with store.locked():
        layers = depth or overlay.deepest()
        image = split.brought(site.rootfs, layers, store, site.progress)
        store.hold(holder, image)
    try:
        yield Stack(store.lower_directories(image), store.layers_home)
    finally:
        store.release(holder)
