"""Layers in their directories: each unpacked once, whole or not there at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.images import storage
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.stack.union import Pile
from runtimes.images.layers.store import records
from runtimes.images.layers.store.records import Chain, Damaged, Origin, StoredLayer, chain_id
from runtimes.images.layers.tar.member import Member
from runtimes.images.layers.unpack.apply import apply_above
from runtimes.images.unpack import remove_tree
from runtimes.linux.openat2 import sync_file_system

_NEEDED_BYTES = 64 << 20
_RECORD, _ORIGIN = "layer.json", "origin.json"

Source = Callable[[], contextlib.AbstractContextManager[Iterable[Member]]]
"""Opens a layer's members; leaving the context checks that they were the right ones."""


@dataclass(frozen=True, slots=True)
class LayerRequest:
    """A layer, and where it is unpacked from if it is not there."""

    parent: Chain
    diff: str
    source: Source
    budget: Budget
    """The image's."""
    progress: Callable[[str], None]
    told: str
    """What ``progress`` is given where the layer is unpacked now."""

    @property
    def chain(self) -> Chain:
        """The layer's name."""
        return chain_id(self.parent, self.diff)


class LayerDirectory:
    """A directory of layers by their chain ids.

    Args:
        home: the directory.
        rules: bounds on what is unpacked.
        durable: wait until a layer is on disk before it counts.
    """

    def __init__(self, home: Path, rules: Rules, *, durable: bool) -> None:
        self.home, self._rules, self._durable = home, rules, durable

    def get(self, chain: Chain) -> StoredLayer | None:
        """What is known of a layer; ``None`` where it is not here.

        Raises:
            RuntimeFault: its record is damaged.
        """
        entry = self.entry(chain)
        found = records.read(entry / _RECORD, StoredLayer)
        if found is not None and found.chain != chain:
            raise RuntimeFault(f"{entry}: holds another layer", hint=f"remove {entry}")
        return found

    def read(self) -> tuple[list[StoredLayer], list[Damaged]]:
        """All layers, and those whose records cannot be read."""
        layers: list[StoredLayer] = []
        damaged: list[Damaged] = []
        for path in sorted(self.home.iterdir()):
            chain = f"sha256:{path.name}"
            if not records.is_chain(chain):
                continue
            try:
                layer = self.get(chain)
            except RuntimeFault as fault:
                damaged.append(Damaged("layer", chain, path, str(fault)))
            else:
                layers += [layer] if layer is not None else []
        return layers, damaged

    def entry(self, chain: Chain) -> Path:
        """A layer's own directory, there or not.

        Raises:
            RuntimeFault: not the name of a layer.
        """
        if not records.is_chain(chain):
            raise RuntimeFault(f"{chain[:100]!r} is not the name of a layer")
        return self.home / chain.removeprefix("sha256:")

    def root(self, chain: Chain) -> Path:
        """The directory that a layer was unpacked into."""
        return self.entry(chain) / "root"

    def stack(self, chain: Chain) -> Sequence[Path]:
        """Directories of the layer ``chain`` and all below it, topmost first.

        Raises:
            RuntimeFault: one is not here, or its record is damaged.
        """
        found = []
        while chain:
            layer = self.get(chain)
            if layer is None:
                raise RuntimeFault(f"layer {chain} is missing", hint="pull the image again")
            found.append(self.root(chain))
            chain = layer.parent
        return found

    def find(self, wanted: LayerRequest) -> StoredLayer | None:
        """A layer that is here already; the image is charged what it cost to unpack it.

        Raises:
            RuntimeFault: its record is damaged, or the image has become too large.
        """
        layer = self.get(wanted.chain)
        if layer is None:
            return None
        storage.mark_used(self.entry(layer.chain))
        origin = None
        with contextlib.suppress(RuntimeFault):
            origin = records.read(self.entry(layer.chain) / _ORIGIN, Origin)
        # without one it is of a directory of ours, or was unpacked by an earlier version
        blob_bytes = (origin.blob_bytes if origin is not None else 0) or layer.size_bytes
        wanted.budget.found(layer.entries, layer.size_bytes, blob_bytes)
        return layer

    def unpack(self, wanted: LayerRequest, below: Pile) -> StoredLayer:
        """Make a layer above those ``below``, unless somebody else just did.

        Raises:
            RuntimeFault: what its source or the system refuses; nothing is left then.
        """
        entry = self.entry(wanted.chain)
        what = f"layer {wanted.diff[7:19]}"
        with storage.building(
            entry, needed_bytes=_NEEDED_BYTES, progress=wanted.progress, what=what
        ) as scratch:
            there = self.find(wanted)
            if there is not None:
                return there
            if wanted.told:
                wanted.progress(wanted.told)
            made = self._fill(wanted, below, scratch / "entry")
            self._publish(scratch / "entry", entry)
        return made

    def _fill(self, wanted: LayerRequest, below: Pile, whole: Path) -> StoredLayer:
        (whole / "root").mkdir(parents=True)
        before_bytes = wanted.budget.blob_bytes
        with wanted.source() as members:
            applied = apply_above(members, whole / "root", below, self._rules, wanted.budget)
        made = StoredLayer(
            wanted.chain, wanted.diff, wanted.parent, applied.entries, applied.size_bytes
        )
        origin = Origin(wanted.budget.blob_bytes - before_bytes)
        records.write(whole / _ORIGIN, origin, durable=False)  # both are synced with the rest
        records.write(whole / _RECORD, made, durable=False)
        return made

    def _publish(self, whole: Path, entry: Path) -> None:
        if self._durable:
            descriptor = os.open(whole, os.O_RDONLY | os.O_DIRECTORY)
            try:
                sync_file_system(descriptor)
            finally:
                os.close(descriptor)
        if entry.is_dir():  # without a record, or it would have been found
            remove_tree(entry)
        whole.rename(entry)
        storage.mark_used(entry)
