"""``python -m runtimes.standalone.image``: look at images, unpack, write and collect them by hand.

::

    inspect IMAGE [--name NAME]            what an image holds
    unpack  IMAGE DIRECTORY [--name NAME]  its files, through the layer store
    pull    IMAGE TAG [--name NAME]        into the layer store; prints layers for an overlay mount
    layers  TAG                            those layers again, topmost first, parted by ':'
    images                                 what the store keeps, and who uses it
    rm      TAG                            let go of an image
    pack    DIRECTORY IMAGE [--name NAME]  a directory as an image with one layer
    gc      [--grace SECONDS]              remove layers that nothing keeps
    gc      --limit BYTES                  let go of images until the others fit, and collect

IMAGE is a layout directory, an OCI archive or what `docker save` wrote; `pack` writes an archive
where it ends in ``.tar``.  The store is in TAREBENCH_CACHE (/var/cache/tarebench;
a plain user's in ~/.cache/tarebench).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runtimes import arguments, directories
from runtimes.faults import RuntimeFault
from runtimes.images.layers.stack import walk
from runtimes.images.layers.store.garbage import GRACE_S, collect, shrink
from runtimes.images.layers.store.records import Damaged, StoredImage
from runtimes.images.layers.store.store import Inventory, LayerStore
from runtimes.printable import printable, printable_line
from runtimes.standalone.image import pack, pull, source
from runtimes.standalone.image.documents import Execution, name_list


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m runtimes.standalone.image",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    inspect = commands.add_parser("inspect", help="what an image holds")
    inspect.add_argument("image", type=Path)
    unpack = commands.add_parser("unpack", help="its files")
    unpack.add_argument("image", type=Path)
    unpack.add_argument("directory", type=Path)
    packing = commands.add_parser("pack", help="a directory as an image")
    packing.add_argument("directory", type=Path)
    packing.add_argument("image", type=Path)
    packing.add_argument("--compression", choices=["none", "gzip", "zstd"], default="gzip")
    pulling = commands.add_parser("pull", help="into the layer store")
    pulling.add_argument("image", type=Path)
    for command in (pulling, commands.add_parser("layers"), commands.add_parser("rm")):
        command.add_argument("tag")
    for command in (inspect, unpack, packing, pulling):
        command.add_argument("--name", default="", help="the image's name, where there are several")
        command.add_argument("--architecture", default="", help="as OCI names it; this host's")
    commands.add_parser("images", help="what the store keeps")
    collecting = commands.add_parser("gc", help="remove layers that nothing keeps")
    collecting.add_argument(
        "--grace", type=arguments.seconds, default=GRACE_S, help="seconds; 3600"
    )
    collecting.add_argument(
        "--limit", type=arguments.size_bytes, help="bytes of layers that may stay"
    )
    return parser.parse_args(words)


def inspect(options: argparse.Namespace) -> list[str]:
    """One line for each fact."""
    with source.opened(options.image) as where:
        found = pull.load(where, options.name, options.architecture)
        argv = (*(found.execution.entrypoint or ()), *(found.execution.cmd or ()))
        return [
            f"name          {name_list([found.name])}",
            f"digest        {found.digest}",
            f"architecture  {name_list([found.architecture])}",
            f"command       {name_list(argv)}",
            *(f"layer         {layer.diff} ({layer.compression})" for layer in found.layers),
        ]


def unpack(options: argparse.Namespace) -> list[str]:
    """Through the store; the image is kept there only for the moment."""
    store = LayerStore(_store())
    tag = f"unpack-{os.getpid()}"
    image = pull.pull(
        options.image,
        store,
        _tell,
        name=options.name,
        tag=tag,
        architecture=options.architecture,
    )
    try:
        applied = pull.unpack(store, image, options.directory)
    finally:
        store.untag(tag)
    return [f"{applied.entries} entries, {applied.size_bytes} bytes in {options.directory}"]


def pulled(options: argparse.Namespace) -> list[str]:
    """Keep an image."""
    pull.pull(
        options.image,
        LayerStore(_store()),
        _tell,
        name=options.name,
        tag=options.tag,
        architecture=options.architecture,
    )
    return layers(options)


def layers(options: argparse.Namespace) -> list[str]:
    """One line, as ``python -m runtimes.standalone.box run --layers`` and overlayfs take it."""
    store = LayerStore(_store())
    return [":".join(map(str, store.lower_directories(store.image(options.tag))))]


def listed(options: argparse.Namespace) -> list[str]:
    """One line for each image: name, digest, layers, MiB, holders."""
    del options
    there = LayerStore(_store()).inventory()
    sizes = {layer.chain: layer.size_bytes for layer in there.layers}
    lines = []
    for image in there.images:
        size_bytes = sum(sizes.get(chain, 0) for chain in image.layers)
        held = ", ".join(holders(there, image)) or "-"
        figures = f"{len(image.layers)} layers\t{size_bytes >> 20} MiB"
        lines.append(f"{printable_line(image.name)}\t{image.digest[:19]}\t{figures}\t{held}")
    _tell_damaged(there.damaged)
    return lines


def holders(there: Inventory, image: StoredImage) -> list[str]:
    """Who has layers of ``image`` in use."""
    return [use.holder for use in there.uses if set(use.layers) & set(image.layers)]


def removed(options: argparse.Namespace) -> list[str]:
    """Let go of an image; its layers go with the next collection, unless somebody uses them."""
    store = LayerStore(_store())
    there = store.inventory()
    for each in there.damaged:
        if (each.kind, each.name) == ("image", options.tag):
            store.untag(options.tag)
            return [f"{options.tag} (its record was damaged)"]
    image = store.image(options.tag)
    held = ", ".join(holders(there, image))
    store.untag(image.name)
    later = [f"its layers stay until {held} lets go"] if held else []
    return [f"{image.name} {image.digest}", *later]


def packed(options: argparse.Namespace) -> list[str]:
    """One layer of all that is in the directory."""
    described = pack.Description(options.name or "latest", Execution())
    if options.architecture:
        described = pack.Description(
            described.name, described.execution, architecture=options.architecture
        )
    write = pack.pack_archive if options.image.suffix == ".tar" else pack.pack
    with tempfile.TemporaryDirectory(prefix=".layer-", dir=options.image.parent) as scratch:
        layer = pack.write_members(walk.merged([options.directory]), Path(scratch, "layer.tar"))
        digest = write([layer], options.image, described, options.compression)
    return [digest]


def collected(options: argparse.Namespace) -> list[str]:
    """What was removed."""
    store, gone = LayerStore(_store()), tuple[str, ...]()
    if options.limit is None:
        done = collect(store, grace_s=options.grace)
    else:
        gone, done = shrink(store, options.limit)
    _tell_damaged(done.damaged)
    let_go = [f"let go of {name}" for name in gone]
    return (
        let_go
        + [f"removed {chain}" for chain in done.removed]
        + [f"{len(done.removed)} layers removed ({done.size_bytes} bytes), {done.kept} kept"]
    )


_COMMANDS = {
    "inspect": inspect,
    "unpack": unpack,
    "pull": pulled,
    "layers": layers,
    "images": listed,
    "rm": removed,
    "pack": packed,
    "gc": collected,
}


def _store() -> Path:
    return directories.cache() / "layers"


def _tell_damaged(damaged: Sequence[Damaged]) -> None:
    ways = {
        "image": "rm {name}, then pull it again",
        "use": "no layer is removed while it is there: `invoke clean`, or remove {path}",
        "layer": "rm the images that have it, gc, then pull them again",
    }
    for each in damaged:
        way = ways[each.kind].format(name=each.name, path=each.path)
        _tell(f"damaged: {each}\n{way}")


def _tell(words: str) -> None:
    sys.stderr.write(f"{printable(words)}\n")


def main() -> int:
    """Run the command line; the process's exit status."""
    options = parse(sys.argv[1:])
    try:
        lines = _COMMANDS[options.what](options)
    except RuntimeFault as fault:
        _tell(f"{fault}" + (f"\n{fault.hint}" if fault.hint else ""))
        return 1
    except OSError as error:
        _tell(str(error))
        return 1
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
