"""What the layer store writes down: images, and who uses them.  Strictly read, one file each."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

import msgspec

from runtimes.faults import RuntimeFault

_LIMIT_BYTES = 4 << 20
_MOST = 1 << 62
_CHAIN = re.compile(r"sha256:[0-9a-f]{64}")
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

    def __post_init__(self) -> None:
        if self.chain != chain_id(self.parent, self.diff):
            raise ValueError("its names do not belong together")
        if not (0 <= self.entries < _MOST and 0 <= self.size_bytes < _MOST):
            raise ValueError("impossible sizes")


class Origin(msgspec.Struct, frozen=True):
    """Where a layer came from."""

    blob_bytes: int
    """Of the layer as it was in the image, compressed; 0 where it was in none."""

    def __post_init__(self) -> None:
        if not 0 <= self.blob_bytes < _MOST:
            raise ValueError("an impossible size")


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

    def __post_init__(self) -> None:
        _check_chains(self.layers)

    @property
    def key(self) -> str:
        """The name that it is kept under."""
        return self.name


class Use(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who has layers mounted, or is about to."""

    holder: str
    layers: tuple[Chain, ...]

    def __post_init__(self) -> None:
        _check_chains(self.layers)

    @property
    def key(self) -> str:
        """The name that it is kept under."""
        return self.holder


@dataclass(frozen=True, slots=True)
class Damaged:
    """A record that cannot be read.  It costs itself, and nothing else."""

    kind: Literal["image", "use", "layer"]
    name: str
    """What it should be the record of."""
    path: Path
    why: str

    def __str__(self) -> str:
        return f"the {self.kind} {self.name!r}: {self.why}"


Record = TypeVar("Record", StoredLayer, Origin, StoredImage, Use)
Named = TypeVar("Named", StoredImage, Use)


def chain_id(parent: Chain, diff: str) -> Chain:
    """The name of a layer above ``parent`` (empty for the lowest): OCI's ChainID."""
    if not parent:
        return diff
    return "sha256:" + hashlib.sha256(f"{parent} {diff}".encode()).hexdigest()


def is_chain(name: str) -> bool:
    """Whether ``name`` can name a layer."""
    return _CHAIN.fullmatch(name) is not None


def _check_chains(chains: tuple[Chain, ...]) -> None:
    if not chains or not all(map(is_chain, chains)):
        raise ValueError("its layers have impossible names, or there are none")


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
    except (OSError, ValueError, RecursionError) as error:  # msgspec's are ValueErrors too
        raise RuntimeFault(f"{path}: {error}", hint="remove that file") from error


def encoded(record: Record) -> bytes:
    """As it is written down.

    Raises:
        RuntimeFault: it would be too long to be read again.
    """
    raw = msgspec.json.format(msgspec.json.encode(record))
    if len(raw) > _LIMIT_BYTES:
        name = record.key if isinstance(record, StoredImage | Use) else ""
        raise RuntimeFault(
            f"the record of {name!r} would have {len(raw)} bytes, more than {_LIMIT_BYTES}",
            hint="an image's command line and environment must be far shorter to be run at all",
        )
    return raw


def write(path: Path, record: Record, *, durable: bool = True) -> None:
    """Put ``record`` into ``path``: whole or not at all; ``durable``: on disk when this returns.

    Raises:
        OSError: it cannot be written.
        RuntimeFault: it is too long.
    """
    raw = encoded(record)
    descriptor, scratch = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(scratch).rename(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
