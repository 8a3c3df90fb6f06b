"""The shared root filesystem as an image of many layers, to weigh what depth costs.

Each file is in one of the layers, chosen by its name alone; every directory is in the lowest, and
again in each layer that has a file in it, as in images that packages were added to one by one.
Together they show exactly what the one directory does.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.images.layers.limits.rules import DEFAULT, Rules
from runtimes.images.layers.stack import union, walk
from runtimes.images.layers.stack.members import member_at
from runtimes.images.layers.store.records import StoredImage
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.tar import write
from runtimes.images.layers.tar.member import Member
from runtimes.images.rootfs.rootfs import Rootfs

_FAMILY = "rootfs-"
_TOLD_EACH = 50


def brought(
    rootfs: Rootfs,
    depth: int,
    store: LayerStore,
    progress: Callable[[str], None],
    rules: Rules = DEFAULT,
) -> StoredImage:
    """The image of ``depth`` layers, from the store or made now; call it within ``store.locked``.

    Those of other root filesystems are let go, as nobody asks for them again.

    Args:
        rootfs: its directory is only read.
        depth: how many layers.
        store: where to.
        progress: told now and then.
        rules: bounds; the root filesystem is our own.

    Raises:
        RuntimeFault: a layer cannot be made.
    """
    own = f"{_FAMILY}{rootfs.digest.removeprefix('sha256:')[:12]}"
    for image in store.images():
        if image.name.startswith(_FAMILY) and not image.name.startswith(f"{own}/"):
            store.untag(image.name)
    name = f"{own}/depth-{depth}"
    there = next((image for image in store.images() if image.name == name), None)
    if there is not None and all(store.layer(chain) is not None for chain in there.layers):
        return there
    chain, chains = "", []
    for number, members in enumerate(parts(rootfs.directory, depth, rules)):
        if number % _TOLD_EACH == 0:
            progress(f"splitting the root filesystem: layer {number + 1} of {depth}")
        source = functools.partial(_opened, rootfs.directory, members, rules)
        with source() as content:
            diff = write.digest(content)
        chain = store.add(chain, diff, source, progress, complete=True).chain
        chains.append(chain)
    image = StoredImage(name, rootfs.digest, rootfs.architecture, tuple(chains))
    store.tag(image)
    return image


def parts(directory: Path, depth: int, rules: Rules = DEFAULT) -> list[list[Member]]:
    """What is in ``directory``, in ``depth`` parts, the lowest first; without the content.

    Each part has the directories that its files are in, parents before children.
    """
    found: list[dict[str, Member]] = [{} for _ in range(depth)]
    directories: dict[str, Member] = {}
    for member in walk.merged([directory], rules):
        if member.kind == "directory":
            directories[member.name] = member
            for part in found if member.name == "" else found[:1]:
                part[member.name] = member
            continue
        # a hard link has to be where its file is
        part = found[_place(member.link if member.kind == "hardlink" else member.name, depth)]
        for above in _above(member.name):
            part.setdefault(above, directories[above])
        part[member.name] = member
    return [list(part.values()) for part in found]


def _above(name: str) -> Iterator[str]:
    for place, letter in enumerate(name):
        if letter == "/":
            yield name[:place]


def _place(name: str, depth: int) -> int:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % depth


@contextlib.contextmanager
def _opened(directory: Path, members: Sequence[Member], rules: Rules) -> Iterator[Iterator[Member]]:
    """The members with their content."""
    with union.opened([directory]) as trees:

        def each() -> Iterator[Member]:
            for member in members:
                if member.kind != "file":
                    yield member
                    continue
                found = union.find(trees, member.name)
                if found is None:
                    raise RuntimeFault(f"{directory}/{member.name}: gone meanwhile")
                yield member_at(found, member.name, rules)

        yield each()
