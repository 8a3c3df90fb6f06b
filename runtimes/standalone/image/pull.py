"""An image from disk into the layer store, and out of it into one directory."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import DEFAULT, Rules
from runtimes.images.layers.stack import union, walk
from runtimes.images.layers.store import records
from runtimes.images.layers.store.records import StoredImage
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.unpack.apply import Applied, apply
from runtimes.standalone.image import docker_archive, source
from runtimes.standalone.image import image as images
from runtimes.standalone.image.image import Image
from runtimes.standalone.image.source import Source

Progress = Callable[[str], None]


def load(where: Source, name: str = "", architecture: str = "") -> Image:
    """The image ``name`` in a layout or in what `docker save` wrote.

    Raises:
        BadImage: none or several fit, or it is broken.
    """
    if docker_archive.is_one(where):
        return docker_archive.load(where, name, architecture)
    return images.load(where, name, architecture)


def pull(
    path: Path,
    store: LayerStore,
    progress: Progress,
    *,
    name: str = "",
    tag: str = "",
    architecture: str = "",
    rules: Rules = DEFAULT,
) -> StoredImage:
    """Bring the image at ``path`` into ``store`` and keep it there.

    Args:
        path: layout directory, OCI archive or `docker save` archive.
        store: where to.
        progress: told about each layer that is unpacked.
        name: which image, where there are several.
        tag: its name in the store; the image's own by default.
        architecture: this host's by default.
        rules: bounds on the image.

    Raises:
        RuntimeFault: the image or a layer is refused, or the system refuses.
    """
    with source.opened(path) as where, store.locked():
        found = load(where, name, architecture)
        stored = bring(found, store, progress, rules, tag=tag)
        store.tag(stored)
        return stored


def bring(
    found: Image, store: LayerStore, progress: Progress, rules: Rules = DEFAULT, *, tag: str = ""
) -> StoredImage:
    """The layers of ``found`` in ``store``; those that are there are not read again.

    Call it within ``store.locked`` and go on to ``tag`` or ``hold`` there.

    Raises:
        RuntimeFault: as ``pull``.
    """
    stored = _stored(found, tag)
    budget = Budget(rules)
    chain = ""
    with union.piled((), store.marks) as below:
        for number, layer in enumerate(found.layers, 1):
            told = f"layer {number} of {len(found.layers)}: {layer.diff[7:19]}"
            members = functools.partial(layer.members, rules, budget)
            chain = store.add(
                chain, layer.diff, members, progress, told, below=below, budget=budget
            ).chain
    return stored


def _stored(found: Image, tag: str) -> StoredImage:
    """What will be written down of it; refused before anything is unpacked."""
    diffs = (layer.diff for layer in found.layers)
    run = found.execution
    stored = StoredImage(
        tag or found.name or found.digest,
        found.digest,
        found.architecture,
        tuple(itertools.accumulate(diffs, records.chain_id)),
        entrypoint=run.entrypoint or (),
        command=run.cmd or (),
        environment=run.env or (),
        directory=run.working_dir or "/",
        user=run.user or "",
    )
    records.encoded(stored)
    return stored


@contextlib.contextmanager
def held(what: str, store: LayerStore, holder: str, progress: Progress) -> Iterator[StoredImage]:
    """An image whose layers ``holder`` keeps for the duration of a context.

    Args:
        what: path of an image on disk, with ``:NAME`` where it has several; else an image's name
            in the store.
        store: where its layers are or are brought to.
        holder: see ``LayerStore.hold``.
        progress: told about each layer that is unpacked.

    Raises:
        RuntimeFault: there is no such image, or as ``pull``.
    """
    path, name = split(what)
    if path is None:
        image = store.image(what)
        store.hold(holder, image)
    else:
        with source.opened(path) as where, store.locked():
            image = bring(load(where, name), store, progress)
            store.hold(holder, image)
    try:
        yield image
    finally:
        store.release(holder)


def split(what: str) -> tuple[Path | None, str]:
    """``PATH`` or ``PATH:NAME``; no path where nothing of that name is on disk."""
    if os.path.lexists(what):
        return Path(what), ""
    for place, letter in enumerate(what):
        if letter == ":" and os.path.lexists(what[:place]):
            return Path(what[:place]), what[place + 1 :]
    if what.startswith(("/", "./", "../")):
        raise RuntimeFault(f"there is no image at {what}")
    return None, ""


def unpack(store: LayerStore, image: StoredImage, root: Path, rules: Rules = DEFAULT) -> Applied:
    """Everything that ``image`` shows, into the directory ``root``, which must not exist.

    Raises:
        RuntimeFault: something cannot be made.
        OSError: ``root`` exists, or a layer cannot be read.
    """
    root.mkdir(parents=True)
    with store.locked():
        members = walk.merged(store.lower_directories(image), rules, store.marks)
        return apply(members, root, (), rules)
