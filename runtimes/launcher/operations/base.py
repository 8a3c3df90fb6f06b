# ruff: noqa: D102  # thing, numbers and strings are documented once, in Operation
"""The operations a plan is made of.  ``CODE`` is the index of TABLE in main.c.

Each says in words what it does and on what (``verb`` and ``thing``), so that a failure is told
as *operation, object, cause* and not as a number.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

RDONLY = 0x1
NOSUID = 0x2
NODEV = 0x4
NOEXEC = 0x8
"""Mount flags; MOUNT_ATTR_* have the same values."""
REC_PRIVATE = 0x4000 | 0x40000

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000


class Operation(Protocol):
    """One thing the launcher can do."""

    CODE: ClassVar[int]
    verb: ClassVar[str]

    @property
    def thing(self) -> str:
        """What it is done to, as a person would name it."""
        ...

    def numbers(self) -> tuple[int, ...]:
        """Arguments on the wire; what they mean is written at the C function."""
        ...

    def strings(self) -> tuple[str | bytes, ...]:
        """As ``numbers``."""
        ...


class Plain:
    """An operation without arguments; the others override what they have."""

    __slots__ = ()

    @property
    def thing(self) -> str:
        return ""

    def numbers(self) -> tuple[int, ...]:
        return ()

    def strings(self) -> tuple[str | bytes, ...]:
        return ()


class OnPath(Plain):
    """An operation on a path."""

    __slots__ = ()
    path: str

    @property
    def thing(self) -> str:
        return self.path

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.path,)


def namespace_names(flags: int) -> str:
    """``mount+pid+…`` for clone flags."""
    names = {
        CLONE_NEWNS: "mount",
        CLONE_NEWPID: "pid",
        CLONE_NEWNET: "net",
        CLONE_NEWIPC: "ipc",
        CLONE_NEWUTS: "uts",
        CLONE_NEWCGROUP: "cgroup",
        CLONE_NEWUSER: "user",
        CLONE_NEWTIME: "time",
    }
    return "+".join(name for flag, name in names.items() if flags & flag) or "none"
