"""Writing images: one layer or several, one above the other."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from runtimes.conventions import AGENT_PATH
from runtimes.faults import RuntimeFault
from runtimes.images.canonical import EPOCH_S
from runtimes.images.layers.tar import write
from runtimes.images.layers.tar.member import Member
from runtimes.process import ENVIRONMENT
from runtimes.standalone.image import layout
from runtimes.standalone.image.compression import Compression
from runtimes.standalone.image.documents import (
    CONFIG,
    MANIFEST,
    REFERENCE,
    Configuration,
    Execution,
    Layers,
    Manifest,
    Platform,
    encode,
)
from runtimes.standalone.image.image import MAX_LAYERS, host_architecture
from runtimes.standalone.image.layout import Feed, Layout, Sink

_CREATED = dt.datetime.fromtimestamp(EPOCH_S, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

Content = Path | Sequence[Member]
"""A layer to be: an uncompressed tar archive, or members (whose content can be read again)."""

AGENT = Execution(entrypoint=(AGENT_PATH,), env=(f"PATH={ENVIRONMENT['PATH']}",), working_dir="/")
"""How boxes of this project run."""


@dataclass(frozen=True, slots=True)
class Description:
    """What an image says about itself."""

    name: str
    execution: Execution = AGENT
    architecture: str = field(default_factory=host_architecture)


def pack(
    layers: Sequence[Content],
    into: Path,
    description: Description,
    compression: Compression = "gzip",
) -> str:
    """Write an image into the layout directory ``into``, which may have others already.

    The same layers and description give the same digest.

    Returns:
        Digest of the manifest.

    Raises:
        RuntimeFault: no layers or too many, zstd is missing, the system refuses.
    """
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise RuntimeFault(f"an image has 1 to {MAX_LAYERS} layers, not {len(layers)}")
    try:
        return _pack(layers, Layout(into), description, compression)
    except OSError as error:
        raise RuntimeFault(f"cannot write the image {into}: {error}") from error


def pack_archive(
    layers: Sequence[Content],
    path: Path,
    description: Description,
    compression: Compression = "gzip",
) -> str:
    """As ``pack``, into one tar archive, made beside ``path`` first.

    Raises:
        RuntimeFault: as ``pack``.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".image-", dir=path.parent) as scratch:
            digest = pack(layers, Path(scratch, "layout"), description, compression)
            layout.archive(Path(scratch, "layout"), Path(scratch, "archive"))
            Path(scratch, "archive").rename(path)
    except OSError as error:
        raise RuntimeFault(f"cannot write the image {path}: {error}") from error
    return digest


def _pack(
    layers: Sequence[Content], target: Layout, about: Description, compression: Compression
) -> str:
    written = [target.layer(_feed(content), compression) for content in layers]
    configuration = Configuration(
        about.architecture,
        "linux",
        Layers("layers", tuple(layer.diff for layer in written)),
        about.execution,
        created=_CREATED,
    )
    config = target.document(encode(configuration), CONFIG)
    manifest = Manifest(
        2,
        config,
        tuple(layer.descriptor for layer in written),
    )
    descriptor = msgspec.structs.replace(
        target.document(encode(manifest), MANIFEST),
        platform=Platform(about.architecture, "linux"),
        annotations={REFERENCE: about.name},
    )
    target.name(descriptor, about.name)
    return descriptor.digest


def _feed(content: Content) -> Feed:
    if isinstance(content, Path):

        def archive(sink: Sink) -> None:
            for piece in layout.copied(content):
                sink(piece)

        return archive

    def members(sink: Sink) -> None:
        write.write(content, sink)

    return members


def write_members(members: Iterable[Member], path: Path) -> Path:
    """Members into an uncompressed archive, for content that can be read only once.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as file:
        write.write(members, file.write)
    return path
