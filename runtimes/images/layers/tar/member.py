"""One name of a layer, wherever it comes from and wherever it goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from runtimes.images.canonical import EPOCH_S

EPOCH_NS = EPOCH_S * 10**9

Kind = Literal["file", "directory", "symlink", "hardlink", "character", "block", "fifo"]


@dataclass(frozen=True, slots=True)
class Member:
    """One entry.  ``pieces`` of a stream are there only until the next member is asked for."""

    name: str
    """Relative, without ``./``, ``..`` or doubled slashes; empty for the root itself."""
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = EPOCH_NS
    size: int = 0
    """Bytes of content; 0 unless ``kind`` is ``file``."""
    link: str = ""
    """Target of a symbolic link as written; clean name of a hard link's target."""
    device: tuple[int, int] = (0, 0)
    """Major, minor."""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    pieces: Iterable[bytes] = field(default=(), repr=False, compare=False)
    """The content, ``size`` bytes in all; may be iterated once."""
