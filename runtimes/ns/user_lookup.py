"""Who a box's program is, as an image names it: looked up in the image's own files only.

Source: the OCI image specification's config.md, ``User``; what it leaves open is as in
moby/sys/user.  The files are the image's, so anything may be in them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from runtimes.faults import RuntimeFault
from runtimes.linux.openat2 import ROOTED, openat2

_FILE_BYTES = 4 << 20
_MOST_GROUPS = 1024
_LARGEST_ID = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """Ids of a program."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    """Supplementary ones."""
    home: str = ""
    """Empty where it is not known."""


ROOT = UserIdentity(home="/root")


def find(spec: str, root: int) -> UserIdentity:
    """The account ``spec`` (``user``, ``uid``, either with ``:group`` or ``:gid``) in a root.

    Args:
        spec: empty for root.
        root: a descriptor of the root directory, in which every link is resolved.

    Raises:
        RuntimeFault: no such user or group, or the files cannot be read.
    """
    if not spec:
        return ROOT
    return choose(spec, read_inside(root, "etc/passwd"), read_inside(root, "etc/group"))


def choose(spec: str, passwd: bytes, group: bytes) -> UserIdentity:
    """As ``find``, from the files' content.

    Raises:
        RuntimeFault: no such user or group.
    """
    user, _, wanted = spec.partition(":")
    number = _number(user)
    for fields in _lines(passwd, 6):
        uid, gid = _number(fields[2]), _number(fields[3])
        if uid is None or gid is None:
            continue
        if fields[0] == user or uid == number:
            found = UserIdentity(uid, gid, _member_of(fields[0], group))
            home = fields[5] if fields[5].startswith("/") and "\0" not in fields[5] else ""
            break
    else:
        if number is None:
            raise RuntimeFault(
                f"there is no user {user[:100]!r} in the image's /etc/passwd",
                hint="the image's configuration names a user that it does not bring along",
            )
        found, home = UserIdentity(number), ""
    if wanted:
        return UserIdentity(found.uid, _group(wanted, group), (), home)
    return UserIdentity(found.uid, found.gid, found.groups, home)


def read_inside(root: int, path: str) -> bytes:
    """A regular file, resolved in ``root``; empty where there is none.

    Raises:
        RuntimeFault: it is something else, too long, or cannot be read.
    """
    try:
        descriptor = openat2(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, ROOTED)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise RuntimeFault(f"/{path} of the image cannot be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RuntimeFault(f"/{path} of the image is not a regular file")
        content = b""
        while piece := os.read(descriptor, _FILE_BYTES + 1 - len(content)):
            content += piece
        if len(content) > _FILE_BYTES:
            raise RuntimeFault(f"/{path} of the image has more than {_FILE_BYTES >> 20} MiB")
        return content
    finally:
        os.close(descriptor)


def _lines(content: bytes, least: int) -> Iterator[list[str]]:
    for line in content.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.split(":")
        if len(fields) >= least and not line.startswith("#"):
            yield fields


def _member_of(name: str, group: bytes) -> tuple[int, ...]:
    found = []
    for fields in _lines(group, 4):
        gid = _number(fields[2])
        if gid is not None and name in fields[3].split(","):
            found.append(gid)
    return tuple(dict.fromkeys(found))[:_MOST_GROUPS]


def _group(wanted: str, group: bytes) -> int:
    number = _number(wanted)
    for fields in _lines(group, 3):
        gid = _number(fields[2])
        if gid is not None and (fields[0] == wanted or gid == number):
            return gid
    if number is None:
        raise RuntimeFault(
            f"there is no group {wanted[:100]!r} in the image's /etc/group",
            hint="the image's configuration names a group that it does not bring along",
        )
    return number


def _number(text: str) -> int | None:
    """An id; ``None`` for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST_ID))):
        return None
    number = int(text)
    return number if number <= _LARGEST_ID else None
