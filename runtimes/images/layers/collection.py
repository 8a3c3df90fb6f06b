"""Removing layers that no image and nobody in the store keeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtimes.base import RuntimeFault
from runtimes.images.layers.store import LayerStore
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


def collect(
    store: LayerStore, *, grace_s: float = GRACE_S, now_s: Callable[[], float] = time.time
) -> Collected:
    """Remove layers that nothing keeps, and what killed processes left half-made.

    Raises:
        RuntimeFault: somebody adds layers now, or a record is damaged (nothing is removed then).
    """
    try:
        with store.locked(alone=True):
            return _collect(store, now_s() - grace_s)
    except BlockingIOError:
        raise RuntimeFault(
            f"{store.home} is in use: layers are being added", hint="try again when that is done"
        ) from None


def _collect(store: LayerStore, before_s: float) -> Collected:
    kept = {chain for image in store.images() for chain in image.layers}
    kept |= {chain for use in store.uses() for chain in use.layers}
    layers = store.layers()
    removed, size_bytes = [], 0
    for layer in layers:
        entry = store.layers_home / layer.chain.removeprefix("sha256:")
        if layer.chain in kept or entry.stat().st_mtime > before_s:
            continue
        entry.rename(entry.with_name(_DEAD + entry.name))  # gone at once, whatever happens next
        removed.append(layer.chain)
        size_bytes += layer.size_bytes
    _sweep(store.layers_home)
    return Collected(tuple(removed), size_bytes, len(layers) - len(removed))


def _sweep(home: Path) -> None:
    """Nobody is at work: what is half-made or dead, and locks of layers that are gone, may go."""
    for path in home.iterdir():
        if path.name.startswith((".build-", _DEAD)):
            remove_tree(path)
        elif path.suffix == ".lock" and not path.with_suffix("").exists():
            path.unlink(missing_ok=True)
