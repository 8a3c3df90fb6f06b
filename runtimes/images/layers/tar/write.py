"""Members as a tar archive: pax, the same bytes for the same members."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Mapping

from runtimes.faults import RuntimeFault
from runtimes.images.layers.tar.member import Kind, Member

_TYPES: Mapping[Kind, bytes] = {
    "file": tarfile.REGTYPE,
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "character": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def write(members: Iterable[Member], sink: Callable[[bytes], object]) -> None:
    """Feed the archive of ``members`` to ``sink``, piece by piece.

    Raises:
        RuntimeFault: a file's content is not as long as its member says.
    """
    total = 0
    for member in members:
        header = _header(member)
        sink(header)
        size = 0
        for piece in member.pieces:
            size += len(piece)
            sink(piece)
        if size != member.size:
            raise RuntimeFault(f"{member.name!r}: changed while it was read")
        padding = -size % tarfile.BLOCKSIZE
        sink(bytes(padding))
        total += len(header) + size + padding
    end = 2 * tarfile.BLOCKSIZE
    sink(bytes(end + -(total + end) % tarfile.RECORDSIZE))


def digest(members: Iterable[Member]) -> str:
    """``sha256:<hex>`` of the archive of ``members``: equal for equal trees."""
    hasher = hashlib.sha256()
    write(members, hasher.update)
    return f"sha256:{hasher.hexdigest()}"


def _header(member: Member) -> bytes:
    info = tarfile.TarInfo(member.name or "./")
    info.type = _TYPES[member.kind]
    info.mode, info.uid, info.gid = member.mode, member.uid, member.gid
    info.size, info.linkname = member.size, member.link
    info.devmajor, info.devminor = member.device
    seconds, below = divmod(abs(member.mtime_ns), 10**9)
    info.mtime = seconds if member.mtime_ns >= 0 else -seconds
    records: dict[str, str] = {}
    if below:  # a plain header has whole seconds only
        sign = "-" if member.mtime_ns < 0 else ""
        records["mtime"] = f"{sign}{seconds}.{below:09d}".rstrip("0")
    for name in sorted(member.xattrs):
        value = member.xattrs[name].decode("utf-8", "surrogateescape")
        records[f"SCHILY.xattr.{name}"] = value
    info.pax_headers = records
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
