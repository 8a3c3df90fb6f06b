"""Members of archives for tests."""

from __future__ import annotations

from runtimes.images.layers.tar.member import Member


def file(name: str, content: bytes = b"", mode: int = 0o644, owner: int = 0) -> Member:
    """A regular file whose content is at hand; ``owner`` is user and group."""
    return Member(name, "file", mode, owner, owner, size=len(content), pieces=(content,))


def directory(name: str, mode: int = 0o755, owner: int = 0) -> Member:
    """A directory."""
    return Member(name, "directory", mode, owner, owner)
