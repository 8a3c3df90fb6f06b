"""Layers kept by content, each unpacked once, shared by all instances of all images.

::

    <home>/lock                    shared by whoever adds or takes hold, exclusive for collection
           sha256/<hex>/           one layer, named by its chain id
                  root/            an overlayfs lower; never written to
                  layer.json       written before the directory gets its name
                  origin.json      how large it was in the image
           sha256/<hex>.lock       held while that layer is unpacked
           images/<name>.json      an image, which keeps its layers
           uses/<holder>.json      a run or an instance, which keeps its layers

The name is the chain id and not the digest of the layer alone, because what a layer becomes
depends on what is below it (see ``apply``).  Only root may look inside: images bring setuid
programs along, which no user of the host should be able to start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runtimes import directories
from runtimes.conventions import PREFIX
from runtimes.faults import RuntimeFault
from runtimes.images import storage
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import DEFAULT, Rules
from runtimes.images.layers.stack import union
from runtimes.images.layers.stack.tree import Marks
from runtimes.images.layers.stack.union import Pile
from runtimes.images.layers.store.layer_directory import LayerDirectory, LayerRequest, Source
from runtimes.images.layers.store.record_directory import RecordDirectory
from runtimes.images.layers.store.records import Chain, Damaged, StoredImage, StoredLayer, Use
from runtimes.linux.ids.rights import is_host_root


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is in a store."""

    images: tuple[StoredImage, ...]
    uses: tuple[Use, ...]
    layers: tuple[StoredLayer, ...]
    damaged: tuple[Damaged, ...]
    """Records that cannot be read; what they say is in none of the others."""


class LayerStore:
    """A directory of layers.  Any number of processes and threads may use it at once.

    Args:
        home: made if missing.
        rules: bounds on every layer.
        marks: attributes of opaque directories, for overlays mounted by root or by a user; by
            default of whoever we are, and a store is one user's only.
        durable: wait until a layer is on disk before it counts; off for throw-away stores.
    """

    def __init__(
        self,
        home: Path,
        *,
        rules: Rules = DEFAULT,
        marks: Marks | None = None,
        durable: bool = True,
    ) -> None:
        self.home, self._rules = home, rules
        self.marks: Marks = marks or ("trusted" if is_host_root() else "user")
        self.layers_home = home / "sha256"
        self._shelf = LayerDirectory(self.layers_home, rules, durable=durable)
        self._images = RecordDirectory(home / "images", StoredImage, "image", durable=durable)
        # no holder outlives a loss of power
        self._uses = RecordDirectory(home / "uses", Use, "use", durable=False)
        try:
            directories.closed(home)
            self.layers_home.mkdir(exist_ok=True)
            self._images.make()
            self._uses.make()
        except OSError as error:
            raise RuntimeFault(
                f"cannot use the layer store {home}: {error}",
                hint="set TAREBENCH_CACHE to a directory that you can write",
            ) from error

    @contextlib.contextmanager
    def locked(self, *, alone: bool = False) -> Iterator[None]:
        """Nothing is collected meanwhile; ``alone``: nobody else adds or takes hold either.

        Raises:
            BlockingIOError: ``alone``, and somebody is at work.
        """
        descriptor = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def add(
        self,
        parent: Chain,
        diff: str,
        source: Source,
        progress: Callable[[str], None],
        told: str = "",
        *,
        below: Pile | None = None,
        complete: bool = False,
        budget: Budget | None = None,
    ) -> StoredLayer:
        """The layer ``diff`` above ``parent``: found, or unpacked from ``source``.

        ``progress`` is given ``told`` where it is unpacked now.  ``below`` are the layers of
        ``parent`` where the caller has them open; the new one is put on it, so that the next finds
        it there.  A ``complete`` layer has every directory that its names are in, hides nothing and
        links only to itself: it is the same above any other, and those below are not looked at,
        which saves time in deep stacks.  ``budget`` is the image's; the layer's own by default.

        Call it within ``locked`` and go on to ``tag`` or ``hold`` there: until then nothing
        keeps the layer.  Of several callers at once one unpacks, the others wait.

        Raises:
            RuntimeFault: what ``source`` or the system refuses; nothing is left then.
        """
        budget = budget or Budget(self._rules)
        wanted = LayerRequest(parent, diff, source, budget, progress, told)
        made = self._shelf.find(wanted)
        if made is None and below is not None:
            made = self._shelf.unpack(wanted, below)
        elif made is None:
            with union.piled(() if complete else self._shelf.stack(parent), self.marks) as pile:
                made = self._shelf.unpack(wanted, pile)
        if below is not None:
            below.put(self._shelf.root(made.chain))
        return made

    def layer(self, chain: Chain) -> StoredLayer | None:
        """What is known of a layer; ``None`` where the store does not have it.

        Raises:
            RuntimeFault: its record is damaged.
        """
        return self._shelf.get(chain)

    def inventory(self) -> Inventory:
        """All there is; one damaged record does not keep the others from being told."""
        images, bad_images = self._images.read()
        uses, bad_uses = self._uses.read()
        layers, bad_layers = self._shelf.read()
        damaged = (*bad_images, *bad_uses, *bad_layers)
        return Inventory(tuple(images), tuple(uses), tuple(layers), damaged)

    def layers(self) -> list[StoredLayer]:
        """All layers whose records can be read."""
        return self._shelf.read()[0]

    def tag(self, image: StoredImage) -> None:
        """Keep ``image`` under its name; another one of that name is let go.

        Raises:
            RuntimeFault: a layer is missing, or it cannot be written.
        """
        self._want(image)
        self._images.put(image)

    def untag(self, name: str) -> bool:
        """Let go of an image, also of a damaged one; whether there was one."""
        return self._images.remove(name)

    def image(self, name: str) -> StoredImage:
        """The image of that name.

        Raises:
            RuntimeFault: there is none, or its record is damaged.
        """
        found = self._images.get(name)
        if found is None:
            known = ", ".join(self._images.names()) or "none"
            raise RuntimeFault(f"no image {name!r} in {self.home}", hint=f"there are: {known}")
        return found

    def images(self) -> list[StoredImage]:
        """All images whose records can be read, by name."""
        return self._images.read()[0]

    def hold(self, holder: str, image: StoredImage) -> tuple[Path, ...]:
        """Keep the layers of ``image`` until ``release(holder)``; as ``lower_directories``.

        Once per run is enough, and spares a start the writing.  A holder's end is not noticed:
        who sweeps up after a killed run calls ``forget``.

        Raises:
            RuntimeFault: a layer is missing, or it cannot be written.
        """
        with self.locked():
            self._want(image)
            self._uses.put(Use(holder, image.layers))
            return self.lower_directories(image)

    def release(self, holder: str) -> bool:
        """Let go of what ``holder`` has; whether it had something."""
        return self._uses.remove(holder)

    def forget(self, run: str) -> list[str]:
        """Let go of what the run and its instances (``tb-<run>-…``) hold; their names."""
        names = self._uses.names()
        ours = [name for name in names if name == run or name.startswith(f"{PREFIX}-{run}-")]
        return [name for name in ours if self.release(name)]

    def uses(self) -> list[Use]:
        """Everybody who holds layers, as far as the records can be read."""
        return self._uses.read()[0]

    def holders(self) -> list[str]:
        """Names of everybody who holds layers, whether or not it can be read which."""
        return self._uses.names()

    def lower_directories(self, image: StoredImage) -> tuple[Path, ...]:
        """Directories for an overlay mount, topmost first."""
        return tuple(self._shelf.root(chain) for chain in reversed(image.layers))

    def _want(self, image: StoredImage) -> None:
        for chain in image.layers:
            if self.layer(chain) is None:
                raise RuntimeFault(
                    f"layer {chain} of {image.name!r} is missing", hint="pull it again"
                )
            storage.mark_used(self._shelf.entry(chain))
