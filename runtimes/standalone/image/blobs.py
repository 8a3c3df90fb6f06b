"""Blobs by digest: read whole, or streamed, and in both cases nothing else than what was named."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator

from runtimes.standalone.image.documents import DOCUMENT_BYTES, BadImage, Descriptor, digest_of
from runtimes.standalone.image.source import Opened, Source, document

_CHUNK_BYTES = 1 << 20


def path_of(digest: str) -> str:
    """Where a layout has the blob ``digest``."""
    return f"blobs/{digest.replace(':', '/')}"


def small(source: Source, descriptor: Descriptor) -> bytes:
    """A document, checked.

    Raises:
        BadImage: missing, too long, or not what its digest says.
    """
    if descriptor.size > DOCUMENT_BYTES:
        raise BadImage(f"{descriptor.digest}: a document of {descriptor.size} bytes is refused")
    raw = document(source, path_of(descriptor.digest))
    if len(raw) != descriptor.size or digest_of(raw) != descriptor.digest:
        raise BadImage(
            f"{source.path}: blob {descriptor.digest} is not what its name says",
            hint="the image was changed or damaged: fetch it again",
        )
    return raw


class Hashed:
    """Counts and hashes what is read through it."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read, self._hash = read, hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int) -> bytes:
        """As the ``read`` given."""
        piece = self._read(size)
        self._hash.update(piece)
        self.size_bytes += len(piece)
        return piece

    def rest(self) -> None:
        """Read to the end: what follows the last entry belongs to the digest too."""
        while self.read(_CHUNK_BYTES):
            pass

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of what was read so far."""
        return f"sha256:{self._hash.hexdigest()}"


@contextlib.contextmanager
def checked(source: Source, name: str, digest: str, size_bytes: int) -> Iterator[Opened]:
    """The large blob in the file ``name``, open at its start, after it was read once and checked.

    It is checked first, so that no decompressor or parser is fed what nobody vouches for; whoever
    changes it afterwards is caught by the digest of the uncompressed layer.

    Raises:
        BadImage: missing, or not what its digest says.
    """
    try:
        with source.opened(name) as file:
            hashed = Hashed(file.read)
            if file.size_bytes == size_bytes:
                hashed.rest()
            if file.size_bytes != size_bytes or hashed.digest != digest:
                raise BadImage(
                    f"{source.path}: blob {digest} is not what its name says",
                    hint="the image was changed or damaged: fetch it again",
                )
        with source.opened(name) as file:
            yield file
    except FileNotFoundError as error:
        raise BadImage(
            f"{source.path}: {name} is missing",
            hint="layers that are only referred to by URL are not fetched",
        ) from error
