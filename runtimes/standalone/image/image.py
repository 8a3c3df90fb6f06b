"""One image, chosen from a layout and checked: its configuration and its layers, lowest first."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import DEFAULT, Rules
from runtimes.images.layers.tar import read
from runtimes.images.layers.tar.member import Member
from runtimes.standalone.image import blobs, compression, documents
from runtimes.standalone.image.documents import (
    BadImage,
    Configuration,
    Descriptor,
    Execution,
    Index,
    LayoutVersion,
    Manifest,
    decode,
    name_list,
)
from runtimes.standalone.image.source import Opened, Source, document

MAX_LAYERS = 500
"""overlayfs stacks no more (OVL_MAX_STACK in fs/overlayfs/ovl_entry.h)."""

_MAX_INDEXES = 32
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

OpenBlob = Callable[[], contextlib.AbstractContextManager[Opened]]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an image."""

    diff: str
    """``sha256:<hex>`` of the uncompressed archive."""
    compression: compression.Compression
    open: OpenBlob
    """Opens the blob, checked."""

    @contextlib.contextmanager
    def members(self, rules: Rules, budget: Budget) -> Iterator[Iterator[Member]]:
        """The layer's members; on leaving, the rest is read and the whole compared with ``diff``.

        What is read is taken from the image's ``budget``.

        Raises:
            BadImage: it is broken, too large, or another archive than the configuration says.
            HostileArchive: it is no plain tar archive.
        """
        what = f"layer {self.diff}"
        with (
            self.open() as blob,
            compression.decompressed(blob, self.compression, rules, budget, what) as stream,
        ):
            hashed = blobs.Hashed(stream.read)
            try:
                yield read.members(hashed.read, rules)
                hashed.rest()
            except HostileArchive as error:
                raise HostileArchive(f"{what}: {error}", hint=error.hint) from error
            if hashed.digest != self.diff:
                raise BadImage(
                    f"{what}: uncompressed it is {hashed.digest}",
                    hint="the image was changed or damaged: fetch it again",
                )


@dataclass(frozen=True, slots=True)
class Image:
    """An image on disk."""

    name: str
    """Its tag, if it has one."""
    digest: str
    """Of its manifest; for `docker save`, of its configuration."""
    architecture: str
    execution: Execution
    layers: tuple[Layer, ...]


def host_architecture() -> str:
    """As OCI names it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def load(source: Source, name: str = "", architecture: str = "") -> Image:
    """The image ``name`` (the only one, where empty) for ``architecture`` (this host's).

    Raises:
        BadImage: none or several fit, or it is broken.
    """
    architecture = architecture or host_architecture()
    raw = document(source, "oci-layout")
    version = decode(raw, LayoutVersion, "oci-layout").image_layout_version
    if version.split(".")[0] != "1":
        raise BadImage(f"{source.path}: image layout version {version[:20]!r} is not 1.x")
    index = decode(document(source, "index.json"), Index, "index.json")
    descriptor = _choose(source, _named(source.path, index, name), architecture)
    raw = blobs.small(source, descriptor)
    manifest = decode(raw, Manifest, f"manifest {descriptor.digest}")
    if manifest.config.media_type not in documents.CONFIGS:
        kind = manifest.config.media_type[:100]
        raise BadImage(f"{source.path}: an artifact of type {kind!r}, not an image")
    raw = blobs.small(source, manifest.config)
    configuration = decode(raw, Configuration, f"configuration {manifest.config.digest}")
    check_platform(source.path, configuration.architecture, configuration.os, architecture)
    return Image(
        descriptor.annotations.get(documents.REFERENCE, name),
        descriptor.digest,
        configuration.architecture,
        configuration.config or Execution(),
        _layers(source, manifest, configuration),
    )


def check_platform(path: Path, found: str, system: str, wanted: str) -> None:
    """Refuse an image for another machine.

    Raises:
        BadImage: it is.
    """
    if (system, found) != ("linux", wanted):
        raise BadImage(
            f"{path}: the image is for {system[:50]}/{found[:50]}, not for linux/{wanted}",
            hint=f"images run on the host's kernel and processor: get one for linux/{wanted}",
        )


def _named(path: Path, index: Index, name: str) -> list[Descriptor]:
    entries = list(index.manifests)
    if not name:
        return entries
    found = [entry for entry in entries if entry.annotations.get(documents.REFERENCE) == name]
    if not found:
        known = {entry.annotations.get(documents.REFERENCE, "(no name)") for entry in entries}
        raise BadImage(f"{path}: no image {name!r}", hint=f"there are: {name_list(sorted(known))}")
    return found


def _choose(source: Source, entries: list[Descriptor], architecture: str) -> Descriptor:
    """The one manifest that fits, through indexes of indexes."""
    pending, seen = entries[::-1], set[str]()
    fitting: dict[str, Descriptor] = {}
    foreign: set[str] = set()
    while pending:
        entry = pending.pop()
        if entry.digest in seen:
            continue
        seen.add(entry.digest)
        if entry.media_type in documents.INDEXES:
            if len(seen) > _MAX_INDEXES:
                raise BadImage(f"{source.path}: too many indexes")
            raw = blobs.small(source, entry)
            pending += decode(raw, Index, f"index {entry.digest}").manifests[::-1]
        elif entry.media_type in documents.MANIFESTS:
            where = entry.platform
            if where is None or (where.os, where.architecture) == ("linux", architecture):
                fitting[entry.digest] = entry
            else:
                foreign.add(f"{where.os}/{where.architecture}"[:100])
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if fitting:
        known = [entry.annotations.get(documents.REFERENCE, "") for entry in fitting.values()]
        raise BadImage(
            f"{source.path}: {len(fitting)} images fit", hint=f"name one of: {name_list(known)}"
        )
    only = f"only for {name_list(sorted(foreign))}" if foreign else "nothing that is an image"
    raise BadImage(
        f"{source.path}: no image for linux/{architecture}: {only}",
        hint=f"images run on the host's kernel and processor: get one for linux/{architecture}",
    )


def _layers(source: Source, manifest: Manifest, configuration: Configuration) -> tuple[Layer, ...]:
    diffs = configuration.rootfs.diff_ids
    if len(diffs) != len(manifest.layers):
        raise BadImage(
            f"{source.path}: {len(manifest.layers)} layers, but {len(diffs)} digests of layers"
        )
    check_depth(source.path, len(diffs))
    return tuple(
        _layer(source, entry, diff) for entry, diff in zip(manifest.layers, diffs, strict=True)
    )


def check_depth(path: Path, layers: int) -> None:
    """Refuse what no overlay can show.

    Raises:
        BadImage: no layers, or too many.
    """
    if not 1 <= layers <= MAX_LAYERS:
        raise BadImage(
            f"{path}: {layers} layers; an overlay has 1 to {MAX_LAYERS}", hint="squash the image"
        )


def _layer(source: Source, entry: Descriptor, diff: str) -> Layer:
    kind = compression.MEDIA_TYPES.get(entry.media_type)
    if kind is None:
        raise BadImage(
            f"{source.path}: a layer of type {entry.media_type[:100]!r} is not understood",
            hint="tar, tar+gzip and tar+zstd are",
        )
    if entry.size > DEFAULT.total_bytes:
        raise BadImage(f"{source.path}: a layer of {entry.size} bytes is too large")
    name = blobs.path_of(entry.digest)
    return Layer(diff, kind, lambda: blobs.checked(source, name, entry.digest, entry.size))
