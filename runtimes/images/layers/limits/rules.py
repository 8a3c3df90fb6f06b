"""What a layer may ask for, and how much of it."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from runtimes.images.canonical import HostileArchive

HARMLESS = frozenset(
    (stat.S_IFCHR, major, minor)
    for major, minor in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2))
)
"""null, zero, full, random, urandom, tty, ptmx: what every box has in its /dev anyway."""

_HOST_LABELS = ("security.selinux", "security.ima", "security.evm", "security.SMACK64")
"""Labels of the policy of the host that made the image; they mean nothing on this one."""

_KEPT = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")


@dataclass(frozen=True, slots=True)
class Rules:
    """Bounds on one image, all its layers together.  What goes beyond is refused, by name."""

    entries: int = 1_000_000
    """Names, with the directories that are only implied by them and copies from layers below."""
    total_bytes: int = 32 << 30
    """Of the uncompressed archives; and of all content, copies from layers below included."""
    ratio: int = 400
    """Those bytes ÷ the compressed ones, from ``ratio_from_bytes`` on; deflate ends at 1032."""
    ratio_from_bytes: int = 256 << 20
    path_bytes: int = 256 << 20
    """Of all paths that are made or followed, as they are once their links are expanded."""
    seconds: int = 3600
    """For unpacking."""
    name_bytes: int = 4095
    """Of one path, as written and as it is once its links are expanded."""
    component_bytes: int = 255
    depth: int = 256
    """Levels of one path, likewise."""
    header_bytes: int = 1 << 20
    """Of one PAX header or one GNU long name."""
    records: int = 256
    """Of the PAX headers before one entry; and attributes that global headers give to all."""
    xattr_bytes: int = 64 << 10
    """Of one name's extended attributes together."""
    devices: frozenset[tuple[int, int, int]] | None = field(default=HARMLESS)
    """Devices that may be made: kind (``stat.S_IFCHR``…), major, minor; ``None`` for any."""

    def most_bytes(self, blob_bytes: int) -> int:
        """How much may come of so many compressed bytes."""
        return min(self.total_bytes, max(self.ratio * blob_bytes, self.ratio_from_bytes))

    def check_name(self, name: str) -> None:
        """Refuse a name that is too long, too deep or has a part that is too long.

        Raises:
            HostileArchive: it is.
        """
        parts = name.encode("utf-8", "surrogateescape").split(b"/")
        if len(parts) > self.depth or sum(map(len, parts)) + len(parts) - 1 > self.name_bytes:
            raise HostileArchive(f"{name[:200]!r}…: the name is too long or too deep")
        if max(map(len, parts)) > self.component_bytes:
            raise HostileArchive(f"{name[:200]!r}…: a part of the name is too long")

    def check_device(self, name: str, kind: int, device: tuple[int, int]) -> None:
        """Refuse devices that are not permitted, and the one that overlayfs takes for a whiteout.

        Raises:
            HostileArchive: such a device.
        """
        if not (0 <= device[0] < 1 << 12 and 0 <= device[1] < 1 << 20):
            raise HostileArchive(f"{name!r}: there is no device {device[0]}:{device[1]}")
        if kind == stat.S_IFCHR and device == (0, 0):
            raise HostileArchive(f"{name!r}: character device 0:0 would be a whiteout")
        if self.devices is not None and (kind, *device) not in self.devices:
            what = "character" if kind == stat.S_IFCHR else "block"
            raise HostileArchive(
                f"{name!r}: {what} device {device[0]}:{device[1]} is refused",
                hint="only harmless character devices are made; boxes get their own /dev",
            )

    def kept_xattrs(self, name: str, xattrs: Mapping[str, bytes]) -> dict[str, bytes]:
        """Those of ``xattrs`` that are set; labels of another host's policy are left out.

        ``trusted.*`` and ``user.overlay.*`` would steer overlayfs itself (redirects, whiteouts).

        Raises:
            HostileArchive: one that is not accepted, or too many bytes of them.
        """
        kept: dict[str, bytes] = {}
        for key, value in xattrs.items():
            if key.startswith(_HOST_LABELS):
                continue
            user = key.startswith("user.") and not key.startswith("user.overlay.")
            if not user and key not in _KEPT:
                raise HostileArchive(f"{name!r}: extended attribute {key[:100]!r} is refused")
            if set(key) & {"\0", "="} or len(key) > self.component_bytes:
                raise HostileArchive(f"{name!r}: bad name of an extended attribute")
            kept[key] = value
        if sum(len(key) + len(value) for key, value in kept.items()) > self.xattr_bytes:
            raise HostileArchive(f"{name!r}: more than {self.xattr_bytes} bytes of attributes")
        return kept


DEFAULT = Rules()
