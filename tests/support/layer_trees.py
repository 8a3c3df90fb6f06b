"""Small layers for tests: members and archives in, trees compared."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from runtimes.images.layers.limits.rules import DEFAULT, Rules
from runtimes.images.layers.stack import walk
from runtimes.images.layers.tar import read as tarstream
from runtimes.images.layers.tar import write
from runtimes.images.layers.tar.member import Member
from runtimes.images.layers.unpack.apply import Applied, apply
from tests.support.members import directory, file

ME = os.getuid()

Fields = Mapping[str, object]


def f(name: str, content: bytes = b"", mode: int = 0o644) -> Member:
    """A file of whoever runs the tests."""
    return file(name, content, mode, ME)


def d(name: str, mode: int = 0o755) -> Member:
    """A directory."""
    return directory(name, mode, ME)


def link(name: str, target: str) -> Member:
    """A symbolic link."""
    return Member(name, "symlink", 0o777, ME, ME, link=target)


def hard(name: str, target: str) -> Member:
    """A hard link."""
    return Member(name, "hardlink", link=target)


def tar(*members: tuple[str, bytes, Fields]) -> bytes:
    """A tar archive by Python's tarfile: name, content, fields of TarInfo."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, fields in members:
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.gid = len(content), ME, ME
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def archive(members: Iterable[Member]) -> bytes:
    """A tar archive by our own writer."""
    out = io.BytesIO()
    write.write(members, out.write)
    return out.getvalue()


def read(raw: bytes, rules: Rules = DEFAULT) -> list[tuple[Member, bytes]]:
    """Members of an archive with their content."""
    stream = io.BytesIO(raw)
    return [(member, b"".join(member.pieces)) for member in tarstream.members(stream.read, rules)]


class Stack:
    """Layers in directories, each unpacked above those before it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.layers: list[Path] = []
        """Topmost first."""

    def add(
        self, members: Iterable[Member] | bytes, rules: Rules = DEFAULT, *, prefix: str = ""
    ) -> Applied:
        """One more layer, from members or a tar archive."""
        if isinstance(members, bytes):
            members = tarstream.members(io.BytesIO(members).read, rules)
        root = self.home / f"{prefix}{len(self.layers)}"
        root.mkdir()
        applied = apply(members, root, self.layers, rules, "user")
        self.layers.insert(0, root)
        return applied

    def shown(self) -> dict[str, str]:
        """What a box would see: name → what it is, in a word or two."""
        return {member.name: described(member) for member in walk.merged(self.layers, marks="user")}


def described(member: Member) -> str:
    """``file x``, ``directory``, ``symlink -> y``."""
    if member.kind == "file":
        content = b"".join(member.pieces)
        return f"file {content.decode()}" if len(content) < 50 else f"file of {len(content)}"
    return f"{member.kind} -> {member.link}" if member.link else member.kind


def manifest(directories: Sequence[Path]) -> dict[str, tuple[object, ...]]:
    """Everything about everything that a stack shows, for comparing trees."""
    return {
        member.name: (
            member.kind,
            oct(member.mode),
            member.uid,
            member.gid,
            member.mtime_ns // 10**9,
            member.size,
            member.link,
            member.device,
            dict(member.xattrs),
            hashlib.sha256(b"".join(member.pieces)).hexdigest(),
        )
        for member in walk.merged(directories)
    }
