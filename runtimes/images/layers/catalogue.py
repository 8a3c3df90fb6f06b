"""What the layer store writes down: images, and who uses them.  Strictly read, one file each."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from runtimes.base import RuntimeFault

_LIMIT_BYTES = 4 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}")

Chain = str
"""``sha256:<hex>`` of a layer with all below it, as the image specification's ChainID."""


class StoredLayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One layer in the store."""

    chain: Chain
    diff: str
    """``sha256:<hex>`` of its uncompressed archive."""
    parent: Chain
    """The layer below it; empty for the lowest."""
    entries: int
    size_bytes: int


class StoredImage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One image in the store."""

    name: str
    digest: str
    """Of its manifest."""
    architecture: str
    layers: tuple[Chain, ...]
    """Lowest first."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    """Arguments of the entrypoint, or the whole command line, unless told otherwise."""
    environment: tuple[str, ...] = ()
    """``NAME=value``."""
    directory: str = "/"
    user: str = ""


class Use(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who has layers mounted, or is about to."""

    holder: str
    layers: tuple[Chain, ...]


Record = TypeVar("Record", StoredLayer, StoredImage, Use)


def file_name(name: str) -> str:
    """The file for ``name``, which may hold ``/`` and ``:``.

    Raises:
        RuntimeFault: not a name.
    """
    if not _NAME.fullmatch(name):
        raise RuntimeFault(
            f"{name!r} is not a name in the layer store",
            hint="letters, digits and . _ : / @ -, at most 200 characters",
        )
    return quote(name, safe="") + ".json"


def read(path: Path, kind: type[Record]) -> Record | None:
    """The record in ``path``; ``None`` where it is missing.

    Raises:
        RuntimeFault: it cannot be read, or is not such a record.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LIMIT_BYTES + 1)
        if len(raw) > _LIMIT_BYTES:
            raise RuntimeFault(f"{path}: too long")
        return msgspec.json.decode(raw, type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise RuntimeFault(f"{path}: {error}", hint="remove that file") from error


def write(path: Path, record: Record, *, durable: bool = True) -> None:
    """Put ``record`` into ``path``: whole or not at all; ``durable``: on disk when this returns.

    Raises:
        OSError: it cannot be written.
    """
    descriptor, scratch = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(record)))
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(scratch).rename(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
