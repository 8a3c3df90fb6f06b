"""Writing an image layout: blobs named by what is in them, and the index that names images."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.images.layers.tar import write
from runtimes.images.layers.tar.member import Member
from runtimes.standalone.image import blobs
from runtimes.standalone.image.compression import Compression
from runtimes.standalone.image.documents import (
    LAYER,
    REFERENCE,
    Descriptor,
    Index,
    LayoutVersion,
    decode,
    digest_of,
    encode,
)

_GZIP_LEVEL = 6
_ZSTD = ("zstd", "--compress", "--stdout", "--quiet", "-3", "-T1")
_ZSTD_TIMEOUT_S = 600
_SUFFIXES: Mapping[Compression, str] = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}

Sink = Callable[[bytes], object]
Feed = Callable[[Sink], object]
"""Gives an uncompressed layer, piece by piece."""


@dataclass(frozen=True, slots=True)
class WrittenLayer:
    """A layer in a layout."""

    descriptor: Descriptor
    diff: str
    """``sha256:<hex>`` of it uncompressed."""


class Layout:
    """A layout directory, made or added to.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._blobs = path / "blobs" / "sha256"
        self._blobs.mkdir(parents=True, exist_ok=True)
        (path / "oci-layout").write_bytes(encode(LayoutVersion("1.0.0")))

    def document(self, raw: bytes, media_type: str) -> Descriptor:
        """Add a document; what it is called from now on."""
        digest = digest_of(raw)
        (self.path / blobs.path_of(digest)).write_bytes(raw)
        return Descriptor(media_type, digest, len(raw))

    def layer(self, feed: Feed, compression: Compression) -> WrittenLayer:
        """Add a layer.  The same content gives the same blob (with the same zlib or zstd).

        Raises:
            RuntimeFault: ``feed`` fails, or zstd does.
            OSError: no space.
        """
        diff = hashlib.sha256()
        scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=self._blobs)) / "blob"
        try:
            with scratch.open("wb") as file, _compressor(compression, file) as sink:

                def both(piece: bytes) -> None:
                    diff.update(piece)
                    sink(piece)

                feed(both)
            with scratch.open("rb") as made:
                digest = f"sha256:{hashlib.file_digest(made, 'sha256').hexdigest()}"
            size = scratch.stat().st_size
            scratch.chmod(0o644)
            scratch.rename(self.path / blobs.path_of(digest))
        finally:
            scratch.unlink(missing_ok=True)
            scratch.parent.rmdir()
        media_type = LAYER + _SUFFIXES[compression]
        return WrittenLayer(Descriptor(media_type, digest, size), f"sha256:{diff.hexdigest()}")

    def name(self, manifest: Descriptor, name: str) -> None:
        """Put ``manifest`` into the index as ``name``; another one of that name is let go."""
        index_file = self.path / "index.json"
        entries: tuple[Descriptor, ...] = ()
        if index_file.exists():
            entries = decode(index_file.read_bytes(), Index, str(index_file)).manifests
        kept = [entry for entry in entries if entry.annotations.get(REFERENCE) != name]
        index_file.write_bytes(encode(Index(2, (*kept, manifest))))


def archive(layout: Path, path: Path) -> None:
    """The layout as one tar archive (``oci-archive``), the same bytes for the same layout.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as file:
        write.write(_files(layout), file.write)


def _files(layout: Path) -> Iterator[Member]:
    for name in ("blobs", "blobs/sha256"):
        yield Member(name, "directory", 0o755)
    paths = sorted((layout / "blobs" / "sha256").iterdir())
    for file in (layout / "oci-layout", layout / "index.json", *paths):
        size = file.stat().st_size
        name = str(file.relative_to(layout))
        yield Member(name, "file", size=size, pieces=copied(file))


def copied(path: Path) -> Iterator[bytes]:
    """A file in pieces."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            yield piece


@contextlib.contextmanager
def _compressor(compression: Compression, file: IO[bytes]) -> Iterator[Sink]:
    if compression == "gzip":
        # wbits 31 writes a gzip header with no name and no time
        encoder = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
        yield lambda piece: file.write(encoder.compress(piece))
        file.write(encoder.flush())
    elif compression == "zstd":
        with _zstd(file) as sink:
            yield sink
    else:
        yield file.write


@contextlib.contextmanager
def _zstd(file: IO[bytes]) -> Iterator[Sink]:
    try:
        child = process.spawn(_ZSTD, stdin=subprocess.PIPE, stdout=file)
    except process.CommandFailed as error:
        raise RuntimeFault(str(error), hint="install the package zstd") from error
    assert child.stdin is not None  # noqa: S101  # it is a pipe
    descriptor = child.stdin.fileno()

    def sink(piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            left = left[os.write(descriptor, left) :]

    try:
        yield sink
        child.stdin.close()
        if child.wait(_ZSTD_TIMEOUT_S) != 0:
            raise process.CommandFailed(_ZSTD, f"exit status {child.returncode}")
    except BrokenPipeError:
        raise process.CommandFailed(_ZSTD, "it ended too early") from None
    finally:
        child.kill()
        child.stdin.close()
        child.wait()
