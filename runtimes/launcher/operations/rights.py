# ruff: noqa: D102  # thing, numbers and strings are documented once, in Operation
"""Operations on what a program may do (rights.c): user, capabilities, filter, limits."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from runtimes.launcher.operations.base import Plain


@dataclass(frozen=True, slots=True)
class Identity(Plain):
    """Become a user and group, with these further groups and no others; capabilities stay.

    Where a user mapped its own group by itself the kernel lets nobody change a list of groups
    (CVE-2014-8989: leaving a group can *give* access); the user's own groups then stay.
    """

    CODE: ClassVar[int] = 19
    verb: ClassVar[str] = "become"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    sets_groups: bool = True
    """Whether there may be set a list of groups."""

    @property
    def thing(self) -> str:
        more = f", groups {', '.join(map(str, self.groups))}" if self.groups else ""
        return f"uid {self.uid}, gid {self.gid}{more}"

    def numbers(self) -> tuple[int, ...]:
        return (self.uid, self.gid, self.sets_groups)

    def strings(self) -> tuple[str | bytes, ...]:
        return (struct.pack(f"={len(self.groups)}I", *self.groups),)


@dataclass(frozen=True, slots=True)
class Capabilities(Plain):
    """Keep these capabilities (a bit each), in the bounding set too; drop all others."""

    CODE: ClassVar[int] = 20
    verb: ClassVar[str] = "drop all capabilities but"
    kept: int
    """The bounding set."""
    effective: int | None = None
    """``None``: those kept."""
    permitted: int | None = None
    inheritable: int = 0
    ambient: int = 0

    @property
    def thing(self) -> str:
        return f"{self.kept:#x}"

    def numbers(self) -> tuple[int, ...]:
        effective = self.kept if self.effective is None else self.effective
        permitted = self.kept if self.permitted is None else self.permitted
        return (self.kept, effective, permitted, self.inheritable, self.ambient)


@dataclass(frozen=True, slots=True)
class NoNewPrivileges(Plain):
    """No exec gains rights from here on."""

    CODE: ClassVar[int] = 21
    verb: ClassVar[str] = "set no_new_privs"


@dataclass(frozen=True, slots=True)
class Seccomp(Plain):
    """Load a compiled filter (an array of ``struct sock_filter``)."""

    CODE: ClassVar[int] = 22
    verb: ClassVar[str] = "load seccomp filter"
    program: bytes

    @property
    def thing(self) -> str:
        return f"of {len(self.program) // 8} instructions"

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.program,)


@dataclass(frozen=True, slots=True)
class ResourceLimit(Plain):
    """setrlimit(2)."""

    CODE: ClassVar[int] = 26
    verb: ClassVar[str] = "set resource limit"
    resource: int
    soft: int
    hard: int

    @property
    def thing(self) -> str:
        return f"{self.resource} to {self.soft}:{self.hard}"

    def numbers(self) -> tuple[int, ...]:
        return (self.resource, self.soft, self.hard)
