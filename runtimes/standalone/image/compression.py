"""Layers' compression: gzip by zlib, zstd by its program.  What comes out is counted."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Literal

from runtimes import process
from runtimes.images.layers.limits.budget import Budget
from runtimes.images.layers.limits.rules import Rules
from runtimes.standalone.image.documents import LAYER, BadImage
from runtimes.standalone.image.source import Opened

Compression = Literal["none", "gzip", "zstd"]

_CHUNK_BYTES = 1 << 18
_FED_BYTES = 1 << 13
_WINDOW = "--memory=128MiB"
"""zstd's own bound, and what every decoder must support."""

_BASES = (
    LAYER,
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)
_SUFFIXES: dict[str, Compression] = {"": "none", "+gzip": "gzip", ".gzip": "gzip", "+zstd": "zstd"}

MEDIA_TYPES: dict[str, Compression] = {
    base + suffix: compression for base in _BASES for suffix, compression in _SUFFIXES.items()
}
"""Media types of layers that we can read."""

Read = Callable[[int], bytes]


class Bounded:
    """A decompressed stream that ends the moment it, or its image, grows beyond what is permitted.

    Args:
        pieces: what comes out; empty ones are waited past.
        most_bytes: how much may come out.
        budget: the image's.
        what: for messages.
    """

    def __init__(self, pieces: Iterator[bytes], most_bytes: int, budget: Budget, what: str) -> None:
        self._pieces, self._what = pieces, what
        self._most, self._budget = most_bytes, budget
        self._held = memoryview(b"")
        self.size_bytes = 0

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; empty only at the end.

        Raises:
            BadImage: more comes out than is permitted.
            HostileArchive: the image's layers are too much together.
        """
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._budget.read(len(piece))
            self.size_bytes += len(piece)
            if self.size_bytes > self._most:
                raise BadImage(
                    f"{self._what}: more than {self._most} bytes come out of it",
                    hint="this is what a decompression bomb looks like",
                )
            self._held = memoryview(piece)
        taken, self._held = self._held[:size], self._held[size:]
        return bytes(taken)


@contextlib.contextmanager
def decompressed(
    blob: Opened, compression: Compression, rules: Rules, budget: Budget, what: str
) -> Iterator[Bounded]:
    """``blob`` without its compression.

    Raises:
        BadImage: (while reading) it is broken, cut off, or too much comes out; the program
            ``zstd`` is not there.
    """
    with contextlib.ExitStack() as stack:
        if compression == "gzip":
            pieces = _gunzipped(blob.read, what)
        elif compression == "zstd":
            pieces = stack.enter_context(_unzstd(blob.read, what))
        else:
            pieces = iter(lambda: blob.read(_CHUNK_BYTES), b"")
        budget.opened(blob.size_bytes)
        yield Bounded(pieces, rules.most_bytes(blob.size_bytes), budget, what)


def _gunzipped(read: Read, what: str) -> Iterator[bytes]:
    """A gzip file may have several members (pigz and eStargz write such).

    It is fed in small pieces: zlib copies what it has not used of one, after each member and each
    piece that it gives.  Empty pieces come out of empty members, of which there may be millions.
    """
    decoder = zlib.decompressobj(wbits=31)
    try:
        while fed := read(_FED_BYTES):
            data = fed
            while data:
                if decoder.eof:
                    decoder = zlib.decompressobj(wbits=31)
                yield decoder.decompress(data, _CHUNK_BYTES)
                data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        if last := decoder.flush():
            yield last
    except zlib.error as error:
        raise BadImage(f"{what}: broken gzip: {error}") from error
    if not decoder.eof:
        raise BadImage(f"{what}: the gzip file is cut off")


@contextlib.contextmanager
def _unzstd(read: Read, what: str) -> Iterator[Iterator[bytes]]:
    """Through the program ``zstd``: Python 3.11 has no zstd, and it is no reason for a package."""
    argv = ["zstd", "--decompress", "--stdout", "--quiet", _WINDOW]
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile() as complaints:
        try:
            child = process.spawn(argv, stdin=pipe, stdout=pipe, stderr=complaints)
        except process.CommandFailed as error:
            raise BadImage(f"{what}: {error}", hint="install the package zstd") from error
        assert child.stdin is not None  # noqa: S101  # both are pipes
        assert child.stdout is not None  # noqa: S101
        feeder = _Feeder(read, child.stdin)
        feeder.start()
        try:
            yield _unzstd_pieces(child, child.stdout, feeder, complaints, what)
        finally:
            child.kill()  # its death ends the feeder
            feeder.join()
            child.stdout.close()
            child.wait()


def _unzstd_pieces(
    child: subprocess.Popen[bytes],
    output: IO[bytes],
    feeder: _Feeder,
    complaints: IO[bytes],
    what: str,
) -> Iterator[bytes]:
    while piece := output.read(_CHUNK_BYTES):
        yield piece
    status = child.wait()
    feeder.join()
    if feeder.failure is not None:
        raise feeder.failure
    if status != 0:
        complaints.seek(0)
        why = process.tail_of(complaints.read(_CHUNK_BYTES)) or f"exit status {status}"
        raise BadImage(f"{what}: broken zstd: {why}")


class _Feeder(threading.Thread):
    """Writes a blob to a process; ends when that does not want any more."""

    def __init__(self, read: Read, sink: IO[bytes]) -> None:
        super().__init__(name="feed zstd", daemon=True)
        self._read_blob, self._sink = read, sink
        self.failure: Exception | None = None

    def run(self) -> None:
        """Read, write, close."""
        try:
            with self._sink:
                while piece := self._read_blob(_CHUNK_BYTES):
                    left = memoryview(piece)
                    while left:
                        left = left[os.write(self._sink.fileno(), left) :]
        except BrokenPipeError:
            pass  # it was killed, or has enough; its exit status tells
        except Exception as failure:  # noqa: BLE001  # raised again by the reader
            self.failure = failure
