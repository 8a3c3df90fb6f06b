"""The JSON documents of the OCI image specification, as far as they matter here.

Strict in what is read: types, digests, sizes.  Unknown fields are ignored, as the specification
demands.  Field names are the specification's.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from runtimes.faults import RuntimeFault
from runtimes.printable import printable_line

DOCUMENT_BYTES = 4 << 20
"""An index, manifest or configuration longer than this is refused (as by registries)."""

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

INDEXES = frozenset({INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"})
MANIFESTS = frozenset({MANIFEST, "application/vnd.docker.distribution.manifest.v2+json"})
CONFIGS = frozenset({CONFIG, "application/vnd.docker.container.image.v1+json"})

REFERENCE = "org.opencontainers.image.ref.name"
"""Annotation in an index: the name (tag) of an image."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class BadImage(RuntimeFault):
    """An image that cannot be used: broken, changed, foreign or of an unknown kind."""


class _Document(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    pass


class Platform(_Document, frozen=True):
    """What an image runs on."""

    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(_Document, frozen=True):
    """A blob, by content."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        check_digest(self.digest)
        if not 0 <= self.size < 1 << 62:
            raise ValueError(f"{self.digest}: size {self.size}")


class Index(_Document, frozen=True):
    """index.json, and indexes that it names."""

    schema_version: int
    manifests: tuple[Descriptor, ...]
    media_type: str = INDEX
    annotations: Mapping[str, str] = {}


class Manifest(_Document, frozen=True):
    """One image for one platform."""

    schema_version: int
    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = MANIFEST
    annotations: Mapping[str, str] = {}


class Execution(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """How a container is run, unless told otherwise.  JSON ``null`` stands for nothing."""

    user: str | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str | None = None
    labels: Mapping[str, str] | None = None


class Layers(msgspec.Struct, frozen=True):
    """Digests of uncompressed layers, lowest first."""

    type: str
    diff_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.type != "layers":
            raise ValueError(f"a root file system of type {self.type[:50]!r}")
        for digest in self.diff_ids:
            check_digest(digest)


class Configuration(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image's configuration."""

    architecture: str
    os: str
    rootfs: Layers
    config: Execution | None = None
    variant: str = ""
    created: str | None = None


class LayoutVersion(_Document, frozen=True):
    """The file ``oci-layout``."""

    image_layout_version: str


class Saved(msgspec.Struct, frozen=True, rename="pascal"):
    """One image in the ``manifest.json`` of ``docker save``."""

    config: str
    layers: tuple[str, ...]
    repo_tags: tuple[str, ...] | None = None


Kind = TypeVar("Kind")


def check_digest(digest: str) -> None:
    """Only sha256: the one algorithm that every reader must know, and that writers use.

    Raises:
        ValueError: another algorithm, or no digest.
    """
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:100]!r} is not a sha256 digest")


def digest_of(raw: bytes) -> str:
    """``sha256:<hex>`` of ``raw``."""
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def name_list(names: Iterable[str]) -> str:
    """Names from an image, for people: short, and not too many."""
    return ", ".join(printable_line(name[:100]) for name in itertools.islice(names, 50))


def decode(raw: bytes, kind: type[Kind], what: str) -> Kind:
    """``raw`` as a document.

    Raises:
        BadImage: it is not one.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadImage(f"{what}: {str(error)[:300]}") from error


def encode(document: msgspec.Struct) -> bytes:
    """The same document always gives the same bytes."""
    return msgspec.json.encode(document, order="sorted")
