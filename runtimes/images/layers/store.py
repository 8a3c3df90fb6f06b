"""Layers kept by content, each unpacked once, shared by all instances of all images.

::

    <home>/lock                    shared by whoever adds or takes hold, exclusive for collection
           sha256/<hex>/           one layer, named by its chain id
                  root/            an overlayfs lower; never written to
                  layer.json       written before the directory gets its name
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
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from runtimes.base import PREFIX, RuntimeFault
from runtimes.ids.rights import is_host_root
from runtimes.images import storage
from runtimes.images.layers import catalogue, union
from runtimes.images.layers.apply import apply_above
from runtimes.images.layers.catalogue import Chain, StoredImage, StoredLayer, Use
from runtimes.images.layers.member import Member
from runtimes.images.layers.openat2 import sync_file_system
from runtimes.images.layers.rules import DEFAULT, Rules
from runtimes.images.layers.tree import Marks
from runtimes.images.layers.union import Pile
from runtimes.images.unpack import remove_tree

_NEEDED_BYTES = 64 << 20

Source = Callable[[], contextlib.AbstractContextManager[Iterable[Member]]]
"""Opens a layer's members; leaving the context checks that they were the right ones."""


def chain_id(parent: Chain, diff: str) -> Chain:
    """The name of a layer above ``parent`` (empty for the lowest): OCI's ChainID."""
    if not parent:
        return diff
    return "sha256:" + hashlib.sha256(f"{parent} {diff}".encode()).hexdigest()


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
        self.home, self._rules, self._durable = home, rules, durable
        self.marks: Marks = marks or ("trusted" if is_host_root() else "user")
        self.layers_home = home / "sha256"
        self._images, self._uses = home / "images", home / "uses"
        try:
            home.mkdir(parents=True, exist_ok=True)
            home.chmod(0o700)
            for directory in (self.layers_home, self._images, self._uses):
                directory.mkdir(exist_ok=True)
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
    ) -> StoredLayer:
        """The layer ``diff`` above ``parent``: found, or unpacked from ``source``.

        ``progress`` is given ``told`` where it is unpacked now.  ``below`` are the layers of
        ``parent`` where the caller has them open; the new one is put on it, so that the next finds
        it there.  A ``complete`` layer has every
        directory that its names are in, hides nothing and links only to itself: it is the same
        above any other, and those below are not looked at, which saves time in deep stacks.

        Call it within ``locked`` and go on to ``tag`` or ``hold`` there: until then nothing
        keeps the layer.  Of several callers at once one unpacks, the others wait.

        Raises:
            RuntimeFault: what ``source`` or the system refuses; nothing is left then.
        """
        chain = chain_id(parent, diff)
        entry = self._entry(chain)
        made = self.layer(chain)
        if made is not None:
            storage.mark_used(entry)
        elif below is not None:
            made = self._unpacked((parent, diff), source, progress, told, below)
        else:
            layers = () if complete else self._directories(parent)
            with union.piled(layers, self.marks) as pile:
                made = self._unpacked((parent, diff), source, progress, told, pile)
        if below is not None:
            below.put(entry / "root")
        return made

    def _unpacked(
        self,
        names: tuple[Chain, str],
        source: Source,
        progress: Callable[[str], None],
        told: str,
        below: Pile,
    ) -> StoredLayer:
        parent, diff = names
        chain = chain_id(parent, diff)
        entry = self._entry(chain)
        with storage.building(
            entry, needed_bytes=_NEEDED_BYTES, progress=progress, what=f"layer {diff[7:19]}"
        ) as scratch:
            there = self.layer(chain)
            if there is not None:
                return there
            if told:
                progress(told)
            whole = scratch / "entry"
            (whole / "root").mkdir(parents=True)
            with source() as members:
                applied = apply_above(members, whole / "root", below, self._rules)
            made = StoredLayer(chain, diff, parent, applied.entries, applied.size_bytes)
            catalogue.write(whole / "layer.json", made, durable=False)  # synced with the rest
            self._publish(whole, entry)
        return made

    def layer(self, chain: Chain) -> StoredLayer | None:
        """What is known of a layer; ``None`` where the store does not have it.

        Raises:
            RuntimeFault: its record is damaged.
        """
        entry = self._entry(chain)
        found = catalogue.read(entry / "layer.json", StoredLayer)
        if found is not None and found.chain != chain:
            raise RuntimeFault(f"{entry}: holds another layer", hint=f"remove {entry}")
        return found

    def layers(self) -> list[StoredLayer]:
        """All layers."""
        names = (path.name for path in self.layers_home.iterdir() if len(path.name) == 64)
        found = (self.layer(f"sha256:{name}") for name in sorted(names))
        return [layer for layer in found if layer is not None]

    def tag(self, image: StoredImage) -> None:
        """Keep ``image`` under its name; another one of that name is let go.

        Raises:
            RuntimeFault: a layer is missing, or it cannot be written.
        """
        self._keep(self._images, image.name, image)

    def untag(self, name: str) -> bool:
        """Let go of an image; whether there was one."""
        return _remove(self._images / catalogue.file_name(name))

    def image(self, name: str) -> StoredImage:
        """The image of that name.

        Raises:
            RuntimeFault: there is none, or its record is damaged.
        """
        found = catalogue.read(self._images / catalogue.file_name(name), StoredImage)
        if found is None:
            known = ", ".join(image.name for image in self.images()) or "none"
            raise RuntimeFault(f"no image {name!r} in {self.home}", hint=f"there are: {known}")
        return found

    def images(self) -> list[StoredImage]:
        """All images, by name."""
        paths = sorted(self._images.glob("[!.]*.json"))
        return [image for path in paths if (image := catalogue.read(path, StoredImage))]

    def hold(self, holder: str, image: StoredImage) -> tuple[Path, ...]:
        """Keep the layers of ``image`` until ``release(holder)``; as ``lower_directories``.

        Once per run is enough, and spares a start the writing.  A holder's end is not noticed:
        who sweeps up after a killed run calls ``forget``.

        Raises:
            RuntimeFault: a layer is missing, or it cannot be written.
        """
        with self.locked():
            self._keep(self._uses, holder, Use(holder, image.layers))
            return self.lower_directories(image)

    def release(self, holder: str) -> bool:
        """Let go of what ``holder`` has; whether it had something."""
        return _remove(self._uses / catalogue.file_name(holder))

    def forget(self, run: str) -> list[str]:
        """Let go of what the run and its instances (``tb-<run>-…``) hold; their names."""
        names = [use.holder for use in self.uses()]
        ours = [name for name in names if name == run or name.startswith(f"{PREFIX}-{run}-")]
        return [name for name in ours if self.release(name)]

    def uses(self) -> list[Use]:
        """Everybody who holds layers."""
        paths = sorted(self._uses.glob("[!.]*.json"))
        return [use for path in paths if (use := catalogue.read(path, Use))]

    def lower_directories(self, image: StoredImage) -> tuple[Path, ...]:
        """Directories for an overlay mount, topmost first."""
        return tuple(self._entry(chain) / "root" for chain in reversed(image.layers))

    def _keep(self, home: Path, name: str, record: StoredImage | Use) -> None:
        for chain in record.layers:
            if self.layer(chain) is None:
                raise RuntimeFault(f"layer {chain} of {name!r} is missing", hint="pull it again")
            storage.mark_used(self._entry(chain))
        path = home / catalogue.file_name(name)
        try:
            if isinstance(record, StoredImage):
                catalogue.write(path, record, durable=self._durable)
            else:  # no holder outlives a loss of power
                catalogue.write(path, record, durable=False)
        except OSError as error:
            raise RuntimeFault(f"cannot write {home}: {error}") from error

    def _entry(self, chain: Chain) -> Path:
        kind, _, name = chain.partition(":")
        if kind != "sha256" or len(name) != 64 or name.strip("0123456789abcdef"):
            raise RuntimeFault(f"{chain[:100]!r} is not the name of a layer")
        return self.layers_home / name

    def _directories(self, chain: Chain) -> Sequence[Path]:
        """The layer ``chain`` and all below it, topmost first."""
        found = []
        while chain:
            layer = self.layer(chain)
            if layer is None:
                raise RuntimeFault(f"layer {chain} is missing", hint="pull the image again")
            found.append(self._entry(chain) / "root")
            chain = layer.parent
        return found

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


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
