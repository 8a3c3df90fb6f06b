# ruff: noqa: D102  # thing, numbers and strings are documented once, in Operation
"""Operations on processes: cgroups, the clone, id maps, and the program itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from runtimes.launcher.operations.base import CLONE_NEWNET, OnPath, Plain, namespace_names


@dataclass(frozen=True, slots=True)
class WriteFile(OnPath):
    """Write a value to a cgroup or /proc file."""

    CODE: ClassVar[int] = 2
    verb: ClassVar[str] = "write"
    path: str
    value: str

    @property
    def thing(self) -> str:
        return f"{self.value!r} to {self.path}"

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.path, self.value)


@dataclass(frozen=True, slots=True)
class JoinCgroup(OnPath):
    """The child joins by itself, before it makes anything that the cgroup should account for.

    On v1 the file is ``tasks``: moving one's own single thread spares the kernel the
    system-wide lock that ``cgroup.procs`` takes (commit 9a3284fad42f).
    """

    CODE: ClassVar[int] = 2
    verb: ClassVar[str] = "join cgroup"
    path: str

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.path, "0")


@dataclass(frozen=True, slots=True)
class DeviceFilter(OnPath):
    """Attach an eBPF program to a v2 cgroup that says which devices may be used."""

    CODE: ClassVar[int] = 38
    verb: ClassVar[str] = "attach device filter to"
    path: str
    program: bytes

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.path, self.program)


@dataclass(frozen=True, slots=True)
class Clone(Plain):
    """Make the child, in new namespaces and, on v2, born in its cgroup."""

    CODE: ClassVar[int] = 3
    verb: ClassVar[str] = "clone the child with"
    flags: int
    cgroup: str = ""

    @property
    def thing(self) -> str:
        return f"namespaces {namespace_names(self.flags)}"

    def numbers(self) -> tuple[int, ...]:
        return (self.flags,)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.cgroup,)


@dataclass(frozen=True, slots=True)
class Unshare(Plain):
    """Leave namespaces after the clone, from inside the cgroup.

    A cgroup namespace's root is the cgroup of the process that makes it, and memory is charged
    to it: so the box itself makes its cgroup and its network namespace.
    """

    CODE: ClassVar[int] = 28
    verb: ClassVar[str] = "unshare"
    flags: int

    @property
    def thing(self) -> str:
        return f"namespaces {namespace_names(self.flags)}"

    def numbers(self) -> tuple[int, ...]:
        return (self.flags,)


@dataclass(frozen=True, slots=True)
class IdMap(Plain):
    """Write the child's user and group id maps (lines as in user_namespaces(7))."""

    CODE: ClassVar[int] = 4
    verb: ClassVar[str] = "map ids"
    uids: str
    gids: str

    @property
    def thing(self) -> str:
        return self.uids.replace("\n", ", ")

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.uids, self.gids)


@dataclass(frozen=True, slots=True)
class EnterNamespace(OnPath):
    """Join an existing namespace by its file."""

    CODE: ClassVar[int] = 6
    verb: ClassVar[str] = "enter namespace"
    path: str
    kind: int = CLONE_NEWNET

    def numbers(self) -> tuple[int, ...]:
        return (self.kind,)


@dataclass(frozen=True, slots=True)
class ChildrenIn(Plain):
    """The launcher's next child is born in the PID namespace of a running box."""

    CODE: ClassVar[int] = 36
    verb: ClassVar[str] = "enter the PID namespace of the box"
    pidfd: int

    def numbers(self) -> tuple[int, ...]:
        return (self.pidfd,)


@dataclass(frozen=True, slots=True)
class EnterProcess(Plain):
    """The child joins namespaces of a running box, all at once."""

    CODE: ClassVar[int] = 35
    verb: ClassVar[str] = "enter the box's"
    pidfd: int
    flags: int

    @property
    def thing(self) -> str:
        return f"namespaces {namespace_names(self.flags)}"

    def numbers(self) -> tuple[int, ...]:
        return (self.pidfd, self.flags)


@dataclass(frozen=True, slots=True)
class Hostname(Plain):
    """Name the box."""

    CODE: ClassVar[int] = 15
    verb: ClassVar[str] = "set host name"
    name: str

    @property
    def thing(self) -> str:
        return self.name

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Affinity(Plain):
    """Run on these CPUs only; the program can change it."""

    CODE: ClassVar[int] = 39
    verb: ClassVar[str] = "run on"
    cpus: tuple[int, ...]

    @property
    def thing(self) -> str:
        return f"CPUs {', '.join(map(str, self.cpus))}"

    def strings(self) -> tuple[str | bytes, ...]:
        words = max(self.cpus) // 64 + 1
        mask = sum(1 << cpu for cpu in self.cpus)
        return (mask.to_bytes(8 * words, "little"),)


@dataclass(frozen=True, slots=True)
class Post(Plain):
    """Let the other side go on."""

    CODE: ClassVar[int] = 23
    verb: ClassVar[str] = "release the other side"


@dataclass(frozen=True, slots=True)
class Wait(Plain):
    """Wait for the other side."""

    CODE: ClassVar[int] = 24
    verb: ClassVar[str] = "wait for the other side"


@dataclass(frozen=True, slots=True)
class Execute(Plain):
    """Run the program; under an init that reaps, passes signals on and hears the lifeline."""

    CODE: ClassVar[int] = 25
    verb: ClassVar[str] = "execute"
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    init: bool
    lifeline_fd: int = -1
    directory: str = "/"
    umask: int = 0o022

    @property
    def thing(self) -> str:
        return self.argv[0] + (f" in {self.directory}" if self.directory != "/" else "")

    def numbers(self) -> tuple[int, ...]:
        return (len(self.argv), self.init, self.lifeline_fd, self.umask)

    def strings(self) -> tuple[str | bytes, ...]:
        pairs = tuple(f"{name}={value}" for name, value in self.environment)
        return (self.directory, *self.argv, *pairs)


@dataclass(frozen=True, slots=True)
class Hold(Plain):
    """Instead of a program: keep the namespaces alive until a pipe's other end is closed."""

    CODE: ClassVar[int] = 29
    verb: ClassVar[str] = "hold"
    lifeline_fd: int

    def numbers(self) -> tuple[int, ...]:
        return (self.lifeline_fd,)
