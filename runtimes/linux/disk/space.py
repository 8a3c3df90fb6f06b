"""One directory whose contents are limited."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Space(Protocol):
    """What is held for as long as a box has the directory."""

    @property
    def device(self) -> str:
        """A block device with an ext4 that is to be mounted on the directory; empty: none is."""
        ...

    def limit_bytes(self) -> int | None:
        """As enforced now, read back from the kernel; ``None``: it is not."""
        ...

    def used_bytes(self) -> int | None:
        """What it takes of the host's disk; ``None``: what the directory's files take."""
        ...

    def mounted(self) -> None:
        """The device is mounted: from now on the mount alone keeps it."""
        ...

    def close(self) -> None:
        """Nothing is left of it once the directory's files and its mounts are gone.  Idempotent."""
        ...


class Unlimited:
    """Nothing limits it."""

    device = ""

    def limit_bytes(self) -> int | None:
        """See Space."""
        return None

    def used_bytes(self) -> int | None:
        """See Space."""
        return None

    def mounted(self) -> None:
        """See Space."""

    def close(self) -> None:
        """See Space."""


class ReadOnly(Unlimited):
    """Nothing can be written there."""

    def limit_bytes(self) -> int | None:
        """See Space."""
        return 0


@dataclass(frozen=True, slots=True)
class Spaces:
    """What one box may write to."""

    layer: Space = field(default_factory=Unlimited)
    """Its own root, or what of it is writable."""
    volume: Space = field(default_factory=Unlimited)

    def mounted(self) -> None:
        """See Space."""
        self.layer.mounted()
        self.volume.mounted()


NO_LIMIT = Spaces()
