"""What unpacking one image may take in all: its layers together, and not each for itself.

A layer may copy up what layers below it hold, by a hard link of some hundred bytes, and twelve
layers may do so twelve times: only the sum says what an image costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.limits.rules import Rules

_HINT = "docs/images.md says what an image may take; such a one is broken, or made to do harm"


class Budget:
    """Counts what an image takes, and ends it where that is more than ``rules`` permit.

    Args:
        rules: bounds.
        now_ns: a monotonic clock; the time begins when this is made.
    """

    def __init__(self, rules: Rules, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._rules, self._now_ns = rules, now_ns
        self._end_ns = now_ns() + rules.seconds * 10**9
        self.entries = 0
        """Names made, implied directories, whiteouts and copies from below included."""
        self.written_bytes = 0
        """Content of files, copies from below included."""
        self.archive_bytes = 0
        """What came out of the layers' compression."""
        self.blob_bytes = 0
        """What went in."""
        self.path_bytes = 0
        """Of all paths that were made or looked for, links on the way included."""

    def opened(self, blob_bytes: int) -> None:
        """A layer of so many bytes, as it is in the image, is about to be read."""
        self.blob_bytes += blob_bytes

    def read(self, size: int) -> None:
        """So many bytes of a layer came out of its compression.

        Raises:
            HostileArchive: too many.
        """
        self.archive_bytes += size
        self._check_bytes(self.archive_bytes, "come out of its layers")

    def made(self, size: int, entries: int = 1) -> None:
        """A name with so much content is about to be made.

        Raises:
            HostileArchive: too many names, or too much content.
        """
        self.entries += entries
        self.written_bytes += size
        if self.entries > self._rules.entries:
            raise HostileArchive(
                f"the image has more than {self._rules.entries} entries", hint=_HINT
            )
        self._check_bytes(self.written_bytes, "would be written for it")

    def found(self, entries: int, size_bytes: int, blob_bytes: int) -> None:
        """A layer is there already.

        Raises:
            HostileArchive: as ``made``.
        """
        self.opened(blob_bytes)
        self.made(size_bytes, entries)

    def walked(self, path_bytes: int) -> None:
        """A path of that length was made or is about to be followed.

        Raises:
            HostileArchive: they are too long, all together.
        """
        self.path_bytes += path_bytes
        if self.path_bytes > self._rules.path_bytes:
            raise HostileArchive(
                f"names of the image have more than {self._rules.path_bytes} bytes together",
                hint=_HINT,
            )

    def _check_bytes(self, size_bytes: int, what: str) -> None:
        most = self._rules.most_bytes(self.blob_bytes)
        if size_bytes > most:
            raise HostileArchive(
                f"more than {most} bytes {what} (an image of {self.blob_bytes})", hint=_HINT
            )
        if self._now_ns() > self._end_ns:
            raise HostileArchive(
                f"unpacking the image takes more than {self._rules.seconds} s", hint=_HINT
            )
