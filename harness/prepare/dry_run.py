"""Dry run for backends that start nothing: a root filesystem and a wire of which nothing exists.

With them ``--backend fake`` shows the whole tool, and tests it, without root and in a second.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from harness.prepare.testbed import Testbed
from runtimes.images.rootfs.rootfs import Rootfs

NOWHERE = Path(os.devnull)


def rootfs() -> Rootfs:
    """A root filesystem of which only the digests exist."""
    return DryRunRootfs(
        digest="sha256:" + "0" * 64,
        directory=NOWHERE,
        archive=NOWHERE,
        programs={},
        packages={},
        size_bytes=0,
        architecture="none",
    )


class DryRunRootfs(Rootfs):
    """Every program is in it; its digest is that of its path."""

    __slots__ = ()

    def locate(self, path: str) -> str:
        """The path itself."""
        return path

    def program_digest(self, path: str) -> str:
        """sha256 of the path, in hexadecimal."""
        return hashlib.sha256(path.encode()).hexdigest()


def network() -> Testbed:
    """A wire that is not there: addresses only."""
    return Testbed("000000", NOWHERE, NOWHERE)
