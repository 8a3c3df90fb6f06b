"""``python -m runtimes.standalone.box run``: one box by hand, of layers or of an OCI image.

::

    run --layers DIR… -- CMD        directories as read-only layers, topmost first
    run --image IMAGE [-- CMD]      an image: its user, environment, directory, entrypoint

IMAGE is a layout directory, an OCI archive or what `docker save` wrote, with ``:NAME`` where it
has several images; or the name of an image in the layer store (``… -m runtimes.standalone.image``).
CMD takes the place of the image's own; ``run --help`` names what else can be said of a box: limits,
trees of the host, scratch space, user, environment.  Standard streams are inherited and the exit
status is passed on (128 + signal for a killed command; 125 where the box could not be started).  A
plain user's box is made in a user namespace of that user's own; what it cannot have is told, or
refused.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from runtimes import directories
from runtimes.faults import RuntimeFault
from runtimes.images.layers.store.store import LayerStore
from runtimes.linux.ids import entering
from runtimes.linux.ids.maps import has_outside
from runtimes.linux.ids.rights import is_host_root
from runtimes.ns.mounts.roots import Stack
from runtimes.ns.profiles.catalogue import CATALOGUE
from runtimes.printable import printable
from runtimes.standalone.box import cli, settings
from runtimes.standalone.box.cli import CANNOT_START
from runtimes.standalone.box.options import parse
from runtimes.standalone.box.settings import Settings
from runtimes.standalone.image import pull


def run(options: argparse.Namespace) -> int:
    """Run one box to its end; exit status of its command.

    Raises:
        RuntimeFault: it could not be started.
    """
    layers = tuple(named_layers(options.layers or ()))
    owners = [(layer, layer.stat().st_uid) for layer in layers]
    entering.enter(_tell)
    _tell_of_strangers(owners)
    wanted = cli.BoxRequest(
        profile=CATALOGUE[options.profile],
        hostname=options.hostname,
        cpus=options.cpus,
        memory_bytes=options.memory or None,
        cpu_quota=options.cpu_quota,
        pids_max=options.pids,
        network=options.network,
        additions=(*options.bind, *options.tmpfs),
        read_only=options.read_only,
        published=tuple(options.publish),
        disk_bytes=options.disk,
        state=directories.state(),
        cache=directories.cache(),
        progress=_tell,
    )
    with (
        cli.named() as name,
        _root(name, options, layers, wanted.cache) as (stack, program),
    ):
        changed = settings.changed(
            program, environment=options.env, directory=options.workdir, user=options.user
        )
        return cli.run(name, wanted, stack, changed)


@contextlib.contextmanager
def _root(
    name: str, options: argparse.Namespace, layers: tuple[Path, ...], cache: Path
) -> Iterator[tuple[Stack, Settings]]:
    terminal = os.environ.get("TERM", "dumb")
    if options.image is None:
        yield Stack(layers), settings.of_command(options.command, terminal)
        return
    store = LayerStore(cache / "layers", marks="trusted" if is_host_root() else "user")
    with pull.held(options.image, store, name, _tell) as image:
        stack = Stack(store.lower_directories(image), store.layers_home)
        yield stack, settings.of_image(image, options.command, terminal)


def named_layers(words: Sequence[str]) -> Iterator[Path]:
    """Layers as the command line names them.

    Raises:
        RuntimeFault: one of them is no directory.
    """
    for word in words:
        for part in [word] if Path(word).is_dir() else word.split(":"):
            layer = Path(part).resolve()
            if not layer.is_dir():
                raise RuntimeFault(f"layer {layer} is not a directory", hint="see --layers")
            yield layer


def _tell_of_strangers(owners: Sequence[tuple[Path, int]]) -> None:
    """Say of which layers a user namespace cannot tell the owner: overlayfs copies none of it."""
    for layer, uid in owners:
        if not has_outside(uid):
            _tell(f"layer {layer} is of user {uid}, who has no id here: its files can only be read")


def _tell(words: str) -> None:
    sys.stderr.write(f"{printable(words)}\n")


def main() -> int:
    """Run the command line; the process's exit status."""
    for number in cli.ENDING:  # until there is a box to pass them on to: undo and go
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return run(parse(sys.argv[1:], __doc__))
    except RuntimeFault as fault:
        _tell(f"{fault}" + (f"\n{fault.hint}" if fault.hint else ""))
        return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
