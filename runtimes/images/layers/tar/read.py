"""A tar archive, hostile, read strictly from a stream: nothing is sought, nothing held in memory.

Python's own ``tarfile`` reads headers of any length into memory and repairs what is broken; here
whatever is not plain is refused.  Formats: ustar, POSIX pax, GNU (long names, base-256 numbers).
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping

from runtimes.images.canonical import HostileArchive, clean_name
from runtimes.images.layers.limits.rules import Rules
from runtimes.images.layers.tar import pax
from runtimes.images.layers.tar.member import Kind, Member

BLOCK = 512
_CHUNK = 1 << 20
_END = bytes(BLOCK)
_MAX_ID = (1 << 32) - 2

_KINDS: Mapping[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "character",
    b"4": "block",
    b"5": "directory",
    b"6": "fifo",
}

Read = Callable[[int], bytes]
"""Up to that many bytes; empty only at the end."""


def members(
    read: Read, rules: Rules, seek: Callable[[int], object] | None = None
) -> Iterator[Member]:
    """Members in the archive's order.  What of a member's content is not read is skipped.

    Args:
        read: the archive.
        rules: bounds.
        seek: moves ahead by that many bytes, where the archive is a file; else they are read.

    Raises:
        HostileArchive: anything that is not plain tar, by name where there is one.
    """
    defaults = pax.Extras()
    seen = 0
    while (found := _next(read, rules, defaults)) is not None:
        member, body = found
        seen += 1
        if seen > rules.entries:
            raise HostileArchive(f"more than {rules.entries} entries")
        yield member
        body.skip(seek)


class _Body:
    """Content of one member, then its padding."""

    def __init__(self, read: Read, name: str, size: int) -> None:
        self._read, self._name, self._left = read, name, size
        self._padding = -size % BLOCK

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            piece = self._read(min(self._left, _CHUNK))
            if not piece:
                raise HostileArchive(f"{self._name!r}: the archive ends in the middle of it")
            self._left -= len(piece)
            yield piece

    def skip(self, seek: Callable[[int], object] | None) -> None:
        if seek is not None:
            seek(self._left + self._padding)
            return
        for _ in self:
            pass
        exactly(self._read, self._padding, self._name)


def exactly(read: Read, size: int, what: str) -> bytes:
    """``size`` bytes.

    Raises:
        HostileArchive: the stream ends before.
    """
    parts = []
    while size:
        piece = read(size)
        if not piece:
            raise HostileArchive(f"{what!r}: the archive ends in the middle of it")
        size -= len(piece)
        parts.append(piece)
    return b"".join(parts)


def _next(read: Read, rules: Rules, defaults: pax.Extras) -> tuple[Member, _Body] | None:
    """The next member after its extended headers; ``None`` at the end of the archive.

    What global headers say is added to ``defaults``: once, not for each member after them.
    """
    own: list[tuple[str, bytes]] = []
    header_bytes = 0
    while (header := _header(read)) is not None:
        kind = header[156:157]
        if kind not in b"xgLK":
            extras = defaults.copy()
            extras.take(own)
            return _member(read, header, extras, rules)
        size = pax.field_number(header[124:136])
        header_bytes += size
        if not 0 <= size <= rules.header_bytes or header_bytes > 4 * rules.header_bytes:
            raise HostileArchive(f"an extended header of {size} bytes")
        raw = exactly(read, size, "extended header")
        exactly(read, -size % BLOCK, "extended header")
        if kind == b"g":
            defaults.take(pax.records(raw, rules.records))
            if len(defaults.xattrs) > rules.records:
                raise HostileArchive(f"more than {rules.records} attributes in global headers")
        elif kind == b"x":
            own += pax.records(raw, rules.records)
        else:
            own.append(("path" if kind == b"L" else "linkpath", raw.split(b"\0", 1)[0]))
        if len(own) > rules.records:
            raise HostileArchive(f"more than {rules.records} records before one entry")
    if header_bytes:
        raise HostileArchive("the archive ends after an extended header")
    return None


def _header(read: Read) -> bytes | None:
    """The next header block; ``None`` at the end, which is two zero blocks or nothing at all."""
    block = read(BLOCK)
    if not block:
        return None
    block += exactly(read, BLOCK - len(block), "header")
    if block == _END:
        if exactly(read, BLOCK, "end mark") != _END:
            raise HostileArchive("something follows half an end mark")
        return None
    told = pax.field_number(block[148:156])
    blanked = block[:148] + b" " * 8 + block[156:]
    if told != sum(blanked):
        raise HostileArchive("not a tar header: its checksum is wrong")
    return block


def _member(read: Read, header: bytes, extras: pax.Extras, rules: Rules) -> tuple[Member, _Body]:
    raw_name = extras.path if extras.path is not None else _name(header)
    name = clean_name(raw_name.lstrip("/"))  # in the root anyway, and `umoci insert` writes such
    rules.check_name(name)
    kind = _kind(header, raw_name, name)
    size = _number(extras.size, header[124:136], name, rules.total_bytes)
    if kind != "file":  # whatever their headers say, the others have no content (as Go's reader)
        size = 0
    body = _Body(read, name, size)
    mtime_ns = extras.mtime_ns
    if mtime_ns is None:
        mtime_ns = pax.field_number(header[136:148]) * 10**9
    if abs(mtime_ns) >= 1 << 63:
        raise HostileArchive(f"{name!r}: modified at an impossible time")
    member = Member(
        name,
        kind,
        mode=pax.field_number(header[100:108]) & 0o7777,
        uid=_number(extras.uid, header[108:116], name, _MAX_ID),
        gid=_number(extras.gid, header[116:124], name, _MAX_ID),
        mtime_ns=mtime_ns,
        size=size,
        link=_link(header, extras, kind, name, rules),
        device=_device(header, kind, name, rules),
        xattrs=rules.kept_xattrs(name, extras.xattrs),
        pieces=body,
    )
    return member, body


def _kind(header: bytes, raw_name: str, name: str) -> Kind:
    code = header[156:157]
    kind = _KINDS.get(code)
    if code == b"S":
        raise HostileArchive(f"{name!r}: a sparse file: the specification advises against them")
    if kind is None:
        raise HostileArchive(f"{name!r}: tar member of type {code!r} is not accepted")
    if code == b"\0" and raw_name.endswith("/"):  # before ustar, that was how directories were told
        return "directory"
    if not name and kind != "directory":
        raise HostileArchive(f"{raw_name!r}: the root must be a directory")
    return kind


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0":
        prefix = header[345:500].split(b"\0", 1)[0]
        name = prefix + b"/" + name if prefix else name
    return pax.text(name)


def _link(header: bytes, extras: pax.Extras, kind: Kind, name: str, rules: Rules) -> str:
    if kind not in {"symlink", "hardlink"}:
        return ""
    raw = extras.linkpath
    if raw is None:
        raw = pax.text(header[157:257].split(b"\0", 1)[0])
    if kind == "hardlink":
        # Some writers give absolute targets; like all others they are names in the root.
        target = clean_name(raw.lstrip("/"))
        rules.check_name(target)
        if not target:
            raise HostileArchive(f"{name!r}: a hard link to {raw!r}")
        return target
    if not raw or "\0" in raw or len(raw) > rules.name_bytes:
        raise HostileArchive(f"{name!r}: a symbolic link to {raw[:200]!r}")
    return raw


def _device(header: bytes, kind: Kind, name: str, rules: Rules) -> tuple[int, int]:
    if kind not in {"character", "block"}:
        return (0, 0)
    device = (pax.field_number(header[329:337]), pax.field_number(header[337:345]))
    rules.check_device(name, stat.S_IFCHR if kind == "character" else stat.S_IFBLK, device)
    return device


def _number(told: int | None, raw: bytes, name: str, most: int) -> int:
    value = pax.field_number(raw) if told is None else told
    if not 0 <= value <= most:
        raise HostileArchive(f"{name!r}: the number {value} in its header is out of bounds")
    return value
