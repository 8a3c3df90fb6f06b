"""Numbers and records of tar headers, strictly read (POSIX pax, ustar; GNU base-256 numbers)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from runtimes.images.canonical import HostileArchive

_XATTR = "SCHILY.xattr."
_LENGTH = re.compile(rb"[1-9][0-9]{0,9}")
_NUMBER = re.compile(rb"[0-9]{1,19}")
_TIME = re.compile(rb"(-?)([0-9]{1,12})(?:\.([0-9]{0,40}))?")


@dataclass(slots=True)
class Extras:
    """What extended headers say about the entry after them."""

    path: str | None = None
    linkpath: str | None = None
    size: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime_ns: int | None = None
    xattrs: dict[str, bytes] = field(default_factory=dict)

    def copy(self) -> Extras:
        """Another one that says the same."""
        return replace(self, xattrs=dict(self.xattrs))

    def take(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Add records of PAX headers; later ones win.

        Raises:
            HostileArchive: nonsense, or a sparse file.
        """
        for key, value in records:
            if key.startswith("GNU.sparse."):
                raise HostileArchive("a sparse file: the specification advises against them")
            if key.startswith(_XATTR):
                self.xattrs[key.removeprefix(_XATTR)] = value
            elif key in {"path", "linkpath"}:
                setattr(self, key, text(value) or None)
            elif key in {"size", "uid", "gid"}:
                setattr(self, key, _number(key, value) if value else None)
            elif key == "mtime":
                self.mtime_ns = time_ns(value) if value else None


def text(raw: bytes) -> str:
    """A name as Python keeps names: undecodable bytes come out again as they were."""
    return raw.decode("utf-8", "surrogateescape")


def records(raw: bytes, most: int) -> list[tuple[str, bytes]]:
    """Records ``<length> <key>=<value>`` and a newline, of a PAX header; at most so many.

    Raises:
        HostileArchive: anything else.
    """
    found: list[tuple[str, bytes]] = []
    at, end = 0, len(raw.rstrip(b"\0"))
    while at < end:
        matched = _LENGTH.match(raw, at)
        after = at + int(matched.group()) if matched else 0
        if matched is None or after > end or raw[after - 1 : after] != b"\n":
            raise HostileArchive("a broken PAX header")
        key, equals, value = raw[matched.end() + 1 : after - 1].partition(b"=")
        if raw[matched.end() : matched.end() + 1] != b" " or not equals or not key:
            raise HostileArchive("a broken PAX record")
        if len(found) == most:
            raise HostileArchive(f"more than {most} records in a PAX header")
        found.append((text(key), value))
        at = after
    return found


def _number(key: str, value: bytes) -> int:
    if not _NUMBER.fullmatch(value):
        raise HostileArchive(f"PAX {key} is {value[:50]!r}, not a number")
    return int(value)


def time_ns(value: bytes) -> int:
    """Seconds since 1970 with a fraction, in nanoseconds, rounded down as the kernel does.

    Raises:
        HostileArchive: not a time.
    """
    matched = _TIME.fullmatch(value)
    if matched is None:
        raise HostileArchive(f"PAX mtime is {value[:50]!r}, not a time")
    sign, seconds, fraction = matched.groups()
    digits = fraction or b""
    below = int(digits[:9].ljust(9, b"0"))
    magnitude = int(seconds) * 10**9 + below
    if not sign:
        return magnitude
    return -magnitude - bool(digits[9:].strip(b"0"))


def field_number(raw: bytes) -> int:
    """A numeric header field: octal digits, or base-256 where the first bit is set.

    Raises:
        HostileArchive: neither.
    """
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big") & ((1 << (8 * len(raw) - 1)) - 1)
        top = 1 << (8 * len(raw) - 2)
        return value - (top << 1) if value & top else value
    digits = raw.split(b"\0", 1)[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise HostileArchive(f"a broken number in a header: {raw!r}")
    return int(digits or b"0", 8)
