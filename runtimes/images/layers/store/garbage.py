"""Removing layers that no image and nobody in the store keeps."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.images.layers.store.records import Damaged, StoredImage
from runtimes.images.layers.store.store import Inventory, LayerStore
from runtimes.images.unpack import remove_tree

GRACE_S = 3600.0
"""A layer wanted within this time stays, so that a pull that failed half-way can be repeated."""

_DEAD = ".dead-"


@dataclass(frozen=True, slots=True)
class Collected:
    """What one collection did."""

    removed: tuple[str, ...]
    """Chain ids."""
    size_bytes: int
    """Content of the removed layers."""
    kept: int
    """Layers that are still there."""
    damaged: tuple[Damaged, ...] = ()
    """Records that cannot be read, before anything was removed."""


def collect(
    store: LayerStore, *, grace_s: float = GRACE_S, now_s: Callable[[], float] = time.time
) -> Collected:
    """Remove layers that nothing keeps, and what killed processes left half-made.

    An image whose record is damaged keeps nothing.  A holder whose record is damaged may have any
    layers mounted: then no layer is removed.

    Raises:
        RuntimeFault: somebody adds layers now.
    """
    with _alone(store):
        return _collect(store, now_s() - grace_s)


@contextlib.contextmanager
def _alone(store: LayerStore) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(store.locked(alone=True))
        except BlockingIOError:
            raise RuntimeFault(
                f"{store.home} is in use: layers are being added",
                hint="try again when that is done",
            ) from None
        yield


def shrink(store: LayerStore, limit_bytes: int) -> tuple[tuple[str, ...], Collected]:
    """Let go of images, the longest unused first, until what is kept fits; then collect.

    What somebody holds stays, and so do images that share all their layers with others.

    Returns:
        Names of the images that were let go, and what the collection did.

    Raises:
        RuntimeFault: as ``collect``.
    """
    with _alone(store):
        there = store.inventory()
        held = {chain for use in there.uses for chain in use.layers}
        sizes = {layer.chain: layer.size_bytes for layer in there.layers}
        images = sorted(there.images, key=lambda image: _used_s(store, image), reverse=True)
        if _unknown(there):
            images = []  # letting go of them would free nothing
        gone = []
        while images and sum(sizes.get(chain, 0) for chain in _kept(images) | held) > limit_bytes:
            image = images.pop()
            if not held.issuperset(image.layers):
                store.untag(image.name)
                gone.append(image.name)
        return tuple(gone), _collect(store, math.inf)


def _kept(images: Iterable[StoredImage]) -> set[str]:
    return {chain for image in images for chain in image.layers}


def _used_s(store: LayerStore, image: StoredImage) -> float:
    try:
        return store.lower_directories(image)[0].parent.stat().st_mtime
    except FileNotFoundError:  # somebody removed the layer by hand
        return 0.0


def _collect(store: LayerStore, before_s: float) -> Collected:
    there = store.inventory()
    kept = _kept(there.images) | {chain for use in there.uses for chain in use.layers}
    known = {layer.chain: layer.size_bytes for layer in there.layers}
    damaged = [each.name for each in there.damaged if each.kind == "layer"]
    removed = []
    for chain in () if _unknown(there) else (*known, *damaged):
        entry = store.layers_home / chain.removeprefix("sha256:")
        if chain in kept or entry.stat().st_mtime > before_s:
            continue
        entry.rename(entry.with_name(_DEAD + entry.name))  # gone at once, whatever happens next
        removed.append(chain)
    _sweep(store.layers_home)
    left = len(known) + len(damaged) - len(removed)
    size_bytes = sum(known.get(chain, 0) for chain in removed)
    return Collected(tuple(removed), size_bytes, left, there.damaged)


def _unknown(there: Inventory) -> bool:
    """Whether some holder's layers are not known."""
    return any(each.kind == "use" for each in there.damaged)


def _sweep(home: Path) -> None:
    """Nobody is at work: what is half-made or dead, and locks of layers that are gone, may go."""
    for path in home.iterdir():
        if path.name.startswith((".build-", _DEAD)):
            remove_tree(path)
        elif path.suffix == ".lock" and not path.with_suffix("").exists():
            path.unlink(missing_ok=True)
