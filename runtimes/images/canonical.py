"""A tar archive with one possible spelling: same tree, same bytes, same digest.

Canonical means: names sorted as bytes, numeric owners only, one fixed modification time, PAX
headers only where a field does not fit, the first name of a hard-linked file holds its content.
Whatever is read is hostile: ``read`` and ``arrange`` refuse names that are absolute, climb or
repeat, links that lead out, and every device but the harmless ones in ``DEVICES``.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from runtimes.faults import RuntimeFault

EPOCH_S = 1_700_000_000
"""Modification time of everything (2023-11-14 UTC), and SOURCE_DATE_EPOCH of what we run."""

DEVICES: Mapping[str, tuple[int, int]] = {
    "dev/null": (1, 3),
    "dev/zero": (1, 5),
    "dev/full": (1, 7),
    "dev/random": (1, 8),
    "dev/urandom": (1, 9),
    "dev/tty": (5, 0),
}
"""Character devices that a root filesystem may hold: path → major, minor."""

_CHUNK_BYTES = 1 << 20
_KEPT_XATTR = "security.capability"
_PAX_XATTR = f"SCHILY.xattr.{_KEPT_XATTR}"

Kind = Literal["file", "directory", "symlink", "hardlink", "device"]
_TYPES: Mapping[Kind, bytes] = {
    "file": tarfile.REGTYPE,
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "device": tarfile.CHRTYPE,
}
_KINDS: Mapping[bytes, Kind] = {code: kind for kind, code in _TYPES.items()} | {
    tarfile.AREGTYPE: "file"
}


class HostileArchive(RuntimeFault):
    """An archive holds something that a root filesystem must not."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Content of a file: some bytes of an archive on disk."""

    archive: Path
    offset: int
    size: int


Content = bytes | Slice


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a root filesystem."""

    name: str
    """Relative, without ``./``: ``usr/bin/env``."""
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    link: str = ""
    """Target of a symbolic link as written; name of the first of hard-linked files."""
    content: Content = field(default=b"", repr=False)
    capability: bytes = b""
    """The file's capabilities, as the extended attribute that holds them."""

    @property
    def size_bytes(self) -> int:
        """Bytes of content."""
        return self.content.size if isinstance(self.content, Slice) else len(self.content)


def read(archive: Path, keep: Callable[[str], bool] = lambda _: True) -> list[Entry]:
    """Entries of a tar archive, unordered; hard links become files that share a ``Slice``.

    Only names for which ``keep`` is true are returned, whatever else may be there.

    Raises:
        HostileArchive: bad names, strange kinds, hard links to nothing.
        RuntimeFault: not a tar archive.
    """
    found: list[Entry] = []
    contents: dict[str, Slice] = {}
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                name = clean_name(member.name)
                if member.isreg() and not member.issparse():
                    contents[name] = Slice(archive, member.offset_data, member.size)
                if name and keep(name):
                    found.append(_entry(name, member, contents))
    except (tarfile.TarError, OSError, ValueError) as error:
        raise RuntimeFault(f"{archive}: cannot read this tar archive: {error}") from error
    return found


def _entry(name: str, member: tarfile.TarInfo, contents: Mapping[str, Slice]) -> Entry:
    kind = _KINDS.get(member.type)
    if kind is None or member.issparse():
        raise HostileArchive(f"{name!r}: tar member of type {member.type!r} is not accepted")
    content: Content = b""
    if kind == "file":
        content = contents[name]
    elif kind == "hardlink":
        target = clean_name(member.linkname)
        if target not in contents:
            raise HostileArchive(
                f"{name!r}: hard link to {target!r}, which is not a file before it"
            )
        kind, content = "file", contents[target]
    if kind == "device" and DEVICES.get(name) != (member.devmajor, member.devminor):
        raise HostileArchive(f"{name!r}: device {member.devmajor}:{member.devminor} is refused")
    capability = member.pax_headers.get(_PAX_XATTR, "").encode("utf-8", "surrogateescape")
    return Entry(
        name,
        kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        link=member.linkname if kind == "symlink" else "",
        content=content,
        capability=capability,
    )


def clean_name(name: str) -> str:
    """``name`` without ``./`` and doubled slashes; empty for the root itself.

    Raises:
        HostileArchive: absolute, or with ``..`` or NUL in it.
    """
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise HostileArchive(f"{name!r}: a name must be relative and must not climb")
    return "/".join(parts)


def arrange(entries: Iterable[Entry]) -> list[Entry]:
    """Canonical order, with hard links restored and everything checked.

    Raises:
        HostileArchive: a name twice, a parent missing or no directory, a link that leads out.
    """
    ordered = sorted(entries, key=lambda entry: _bytes(entry.name))
    first: dict[Slice, str] = {}
    directories = {""}
    arranged: list[Entry] = []
    last = ""
    for entry in ordered:
        if entry.name == last:
            raise HostileArchive(f"{entry.name!r} is there twice")
        last = entry.name
        if entry.name.rpartition("/")[0] not in directories:
            raise HostileArchive(f"{entry.name!r}: its parent is not a directory")
        if entry.kind == "directory":
            directories.add(entry.name)
        if entry.kind == "symlink":
            _check_symlink(entry)
        if isinstance(entry.content, Slice) and entry.content.size:
            holder = first.setdefault(entry.content, entry.name)
            if holder != entry.name:
                entry = replace(entry, kind="hardlink", link=holder, content=b"")  # noqa: PLW2901 - the arranged form replaces the read one
        arranged.append(entry)
    return arranged


def _check_symlink(entry: Entry) -> None:
    """An absolute target is read inside the root; a relative one must not climb above it."""
    if not entry.link or "\0" in entry.link:
        raise HostileArchive(f"{entry.name!r}: symbolic link to {entry.link!r}")
    depth = 0 if entry.link.startswith("/") else entry.name.count("/")
    for part in entry.link.split("/"):
        if part not in {"", "."}:
            depth += -1 if part == ".." else 1
        if depth < 0:
            raise HostileArchive(f"{entry.name!r}: symbolic link out of the root: {entry.link!r}")


def write(arranged: Sequence[Entry], sink: Callable[[bytes], object]) -> None:
    """Feed the canonical tar of ``arranged`` entries to ``sink``, piece by piece."""
    total = 0
    for entry in arranged:
        header = _header(entry)
        sink(header)
        for piece in pieces(entry.content):
            sink(piece)
        padding = -entry.size_bytes % tarfile.BLOCKSIZE
        sink(bytes(padding))
        total += len(header) + entry.size_bytes + padding
    end = 2 * tarfile.BLOCKSIZE
    sink(bytes(end + -(total + end) % tarfile.RECORDSIZE))


def digest(arranged: Sequence[Entry]) -> str:
    """``sha256:<hex>`` of the canonical tar."""
    hasher = hashlib.sha256()
    write(arranged, hasher.update)
    return f"sha256:{hasher.hexdigest()}"


def pieces(content: Content) -> Iterator[bytes]:
    """``content`` in chunks.

    Raises:
        RuntimeFault: the archive behind it ends early.
    """
    if isinstance(content, bytes):
        yield content
        return
    left = content.size
    with content.archive.open("rb", buffering=0) as archive:
        archive.seek(content.offset)
        while left:
            piece = archive.read(min(left, _CHUNK_BYTES))
            if not piece:
                raise RuntimeFault(f"{content.archive}: ends in the middle of a file")
            left -= len(piece)
            yield piece


def _header(entry: Entry) -> bytes:
    member = tarfile.TarInfo(entry.name)
    member.type = _TYPES[entry.kind]
    member.mode, member.uid, member.gid = entry.mode, entry.uid, entry.gid
    member.mtime, member.size, member.linkname = EPOCH_S, entry.size_bytes, entry.link
    if entry.kind == "device":
        member.devmajor, member.devminor = DEVICES[entry.name]
    if entry.capability:
        member.pax_headers = {_PAX_XATTR: entry.capability.decode("utf-8", "surrogateescape")}
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
