"""Names that say what is gone (OCI image-spec, layer.md): ``.wh.<name>`` and ``.wh..wh..opq``."""

from __future__ import annotations

from runtimes.images.canonical import HostileArchive
from runtimes.images.layers.tar.member import Member

PREFIX = ".wh."
OPAQUE = ".wh..wh..opq"


def hidden_name(member: Member) -> str | None:
    """The last part of the name that ``member`` hides, ``OPAQUE``, or ``None`` for others.

    Raises:
        HostileArchive: a mark of another kind, in the middle of a name, or with no name.
    """
    parent, _, base = member.name.rpartition("/")
    if parent.startswith(PREFIX) or f"/{PREFIX}" in parent:
        raise HostileArchive(f"{member.name!r}: something below a whiteout")
    if not base.startswith(PREFIX):
        return None
    if member.kind != "file":
        raise HostileArchive(f"{member.name!r}: a whiteout that is a {member.kind}")
    if base == OPAQUE:
        return OPAQUE
    gone = base.removeprefix(PREFIX)
    if gone in {"", ".", ".."} or gone.startswith(PREFIX):
        raise HostileArchive(f"{member.name!r}: a whiteout of an unknown kind")
    return gone
