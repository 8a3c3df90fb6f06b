"""Files of /sys and /proc, below a root that tests choose."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tree:
    """The host's files, or a made-up host's."""

    root: Path = Path("/")

    def place(self, path: str) -> Path:
        """Where ``path`` of the host is."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str | None:
        """Stripped content; None where there is no such file, or it cannot be read."""
        try:
            return self.place(path).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return None

    def write(self, path: str, value: str) -> None:
        """Write in one piece, as the kernel's files want it.  Never creates a file.

        Raises:
            OSError: the kernel refuses, or there is no such file.
        """
        descriptor = os.open(self.place(path), os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(descriptor, f"{value}\n".encode("ascii"))  # nothing at all is no write
        finally:
            os.close(descriptor)

    def paths(self, directory: str, pattern: str) -> Iterable[str]:
        """Files of the host that fit, in a stable order."""
        found = self.place(directory).glob(pattern)
        return sorted("/" + str(path.relative_to(self.root)) for path in found)
