"""What `docker save` writes: ``manifest.json``, configurations and uncompressed layers.

Since Docker 25 such an archive is an OCI layout as well, and read as one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from runtimes.images.canonical import HostileArchive, clean_name
from runtimes.standalone.image import documents
from runtimes.standalone.image.documents import BadImage, Configuration, Execution, Saved, decode
from runtimes.standalone.image.image import (
    Image,
    Layer,
    check_depth,
    check_platform,
    host_architecture,
)
from runtimes.standalone.image.source import Opened, Source, document

_LIST = "manifest.json"


def is_one(source: Source) -> bool:
    """Whether ``source`` is such an archive and nothing better."""
    return not _has(source, "oci-layout") and _has(source, _LIST)


def load(source: Source, name: str = "", architecture: str = "") -> Image:
    """The image tagged ``name`` (the only one, where empty) for ``architecture``.

    Raises:
        BadImage: none or several fit, or it is broken.
    """
    saved = _choose(source, name)
    raw = document(source, _clean(saved.config))
    configuration = decode(raw, Configuration, saved.config)
    wanted = architecture or host_architecture()
    check_platform(source.path, configuration.architecture, configuration.os, wanted)
    diffs = configuration.rootfs.diff_ids
    if len(diffs) != len(saved.layers):
        raise BadImage(f"{source.path}: {len(saved.layers)} layers, but {len(diffs)} digests")
    check_depth(source.path, len(diffs))
    return Image(
        name or next(iter(saved.repo_tags or ()), ""),
        documents.digest_of(raw),
        configuration.architecture,
        configuration.config or Execution(),
        tuple(
            _layer(source, _clean(path), diff)
            for path, diff in zip(saved.layers, diffs, strict=True)
        ),
    )


def _choose(source: Source, name: str) -> Saved:
    images = decode(document(source, _LIST), list[Saved], _LIST)
    fitting = [image for image in images if not name or name in (image.repo_tags or ())]
    if len(fitting) == 1:
        return fitting[0]
    known = sorted(tag for image in images for tag in image.repo_tags or ())
    raise BadImage(
        f"{source.path}: {len(fitting)} images fit",
        hint=f"name one of: {documents.name_list(known)}",
    )


def _has(source: Source, name: str) -> bool:
    try:
        with source.opened(name):
            return True
    except FileNotFoundError:
        return False


def _clean(name: str) -> str:
    try:
        return clean_name(name)
    except HostileArchive as error:
        raise BadImage(f"{_LIST}: {error}") from error


def _layer(source: Source, name: str, diff: str) -> Layer:
    @contextlib.contextmanager
    def opened() -> Iterator[Opened]:
        # Nothing vouches for the file but the digest of its content, checked as it is unpacked.
        try:
            with source.opened(name) as file:
                yield file
        except FileNotFoundError as error:
            raise BadImage(f"{source.path}: {name} is missing") from error

    return Layer(diff, "none", opened)
