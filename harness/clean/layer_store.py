"""The layer store as the harness cares for it: what the dead held, how large it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from runtimes.conventions import PREFIX
from runtimes.faults import RuntimeFault
from runtimes.held_names import is_alive
from runtimes.images.layers.store.garbage import collect
from runtimes.images.layers.store.store import LayerStore

_HOLDER = re.compile(rf"(?:{PREFIX}-)?([0-9a-f]{{6}})(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the store has."""

    images: int
    layers: int
    size_bytes: int
    """Content of the layers."""
    living: tuple[str, ...]
    """Runs that have some of them mounted."""
    damaged: tuple[str, ...]
    """What cannot be read, and why."""


def home(cache: Path) -> Path:
    """Where the store is."""
    return cache / "layers"


def examine(cache: Path) -> Holdings | None:
    """What there is; ``None`` where there is no store.

    Raises:
        RuntimeFault: the store is another user's.
    """
    if not home(cache).is_dir():
        return None
    store = LayerStore(home(cache))
    there = store.inventory()
    return Holdings(
        len(there.images),
        len(there.layers),
        sum(one.size_bytes for one in there.layers),
        _living(store),
        tuple(map(str, there.damaged)),
    )


def clean(cache: Path) -> list[str]:
    """Let go of what dead runs held, and remove layers that nobody keeps; a line for each."""
    if not home(cache).is_dir():
        return []
    removed: list[str] = []
    try:
        store = LayerStore(home(cache))
        for run in sorted(_runs(store)):
            if not is_alive(run):
                removed += [f"hold of {name} on layers" for name in store.forget(run)]
        done = collect(store)
    except RuntimeFault as fault:
        removed.append(f"layer store left alone: {fault}" + (f" ({fault.hint})" * bool(fault.hint)))
    else:
        removed += [f"layer store: damaged and left alone: {each}" for each in done.damaged]
        if done.removed:
            removed.append(f"{len(done.removed)} unused layers ({done.size_bytes >> 20} MiB)")
    return removed


def in_use(cache: Path) -> tuple[str, ...]:
    """Living runs that have layers of the store mounted; what cannot be read is not in use."""
    try:
        found = examine(cache)
    except RuntimeFault:
        return ()
    return () if found is None else found.living


def _runs(store: LayerStore) -> set[str]:
    matches = map(_HOLDER.fullmatch, store.holders())
    return {match[1] for match in matches if match}


def _living(store: LayerStore) -> tuple[str, ...]:
    return tuple(sorted(run for run in _runs(store) if is_alive(run)))
