# ruff: noqa: D102  # thing, numbers and strings are documented once, in Operation
"""Operations that build the box's view of files."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import ClassVar

from runtimes.launcher.operations.base import NODEV, RDONLY, OnPath, Plain


@dataclass(frozen=True, slots=True)
class MakeDirectory(OnPath):
    """Make a directory, with owner."""

    CODE: ClassVar[int] = 1
    verb: ClassVar[str] = "make directory"
    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    may_exist: bool = False

    def numbers(self) -> tuple[int, ...]:
        return (self.mode, self.uid, self.gid, self.may_exist)


@dataclass(frozen=True, slots=True)
class MakePlace(OnPath):
    """In the box's root, whoever made that: a directory or file, with those above it.

    What is there already is fine.
    """

    CODE: ClassVar[int] = 54
    verb: ClassVar[str] = "make"
    path: str
    file: bool = False

    def numbers(self) -> tuple[int, ...]:
        return (self.file,)


@dataclass(frozen=True, slots=True)
class AttachInRoot(OnPath):
    """As ``MakePlace``, and attach there what the launcher holds in a slot."""

    CODE: ClassVar[int] = 55
    verb: ClassVar[str] = "attach the mount at"
    slot: int
    path: str
    file: bool = False

    def numbers(self) -> tuple[int, ...]:
        return (self.slot, self.file)


@dataclass(frozen=True, slots=True)
class MountInRoot(Plain):
    """As ``MakePlace``, of a directory, and mount(2) there."""

    CODE: ClassVar[int] = 56
    verb: ClassVar[str] = "mount"
    source: str
    target: str
    kind: str
    flags: int = 0
    data: str = ""

    @property
    def thing(self) -> str:
        return f"{self.kind} on {self.target}" + (f" ({self.data})" if self.data else "")

    def numbers(self) -> tuple[int, ...]:
        return (self.flags,)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.source, self.target, self.kind, self.data)


@dataclass(frozen=True, slots=True)
class Mount(Plain):
    """mount(2)."""

    CODE: ClassVar[int] = 7
    verb: ClassVar[str] = "mount"
    source: str
    target: str
    kind: str
    flags: int = 0
    data: str = ""

    @property
    def thing(self) -> str:
        what = self.kind or "propagation"
        return f"{what} on {self.target}" + (f" ({self.data})" if self.data else "")

    def numbers(self) -> tuple[int, ...]:
        return (self.flags,)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.source, self.target, self.kind, self.data)


@dataclass(frozen=True, slots=True)
class Unmount(OnPath):
    """Detach a mount; whoever else has it, as an overlay its layers', keeps it."""

    CODE: ClassVar[int] = 57
    verb: ClassVar[str] = "unmount"
    path: str


@dataclass(frozen=True, slots=True)
class BindIdmapped(Plain):
    """Bind a tree whose files' owners are seen through a user namespace's map."""

    CODE: ClassVar[int] = 8
    verb: ClassVar[str] = "bind with mapped ids"
    source: str
    target: str
    user_namespace_fd: int
    attributes: int = RDONLY | NODEV

    @property
    def thing(self) -> str:
        return f"{self.source} on {self.target}"

    def numbers(self) -> tuple[int, ...]:
        return (self.user_namespace_fd, self.attributes)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.source, self.target)


@dataclass(frozen=True, slots=True)
class Bind(Plain):
    """Bind a tree, with attributes on every mount of it from the first instant."""

    CODE: ClassVar[int] = 9
    verb: ClassVar[str] = "bind"
    source: str
    target: str
    recursive: bool = True
    attributes: int = 0
    may_be_missing: bool = False

    @property
    def thing(self) -> str:
        return f"{self.source} on {self.target}"

    def numbers(self) -> tuple[int, ...]:
        return (self.recursive, self.attributes, self.may_be_missing)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.source, self.target)


@dataclass(frozen=True, slots=True)
class Mask(OnPath):
    """Hide a path of /proc or /sys."""

    CODE: ClassVar[int] = 10
    verb: ClassVar[str] = "mask"
    path: str


@dataclass(frozen=True, slots=True)
class PivotRoot(OnPath):
    """Make a mount the root of the child's mount namespace."""

    CODE: ClassVar[int] = 11
    verb: ClassVar[str] = "pivot root to"
    path: str


@dataclass(frozen=True, slots=True)
class LeaveOldRoot(Plain):
    """Detach the old root from below the new one: no way back."""

    CODE: ClassVar[int] = 30
    verb: ClassVar[str] = "leave the old root"


@dataclass(frozen=True, slots=True)
class Chroot(OnPath):
    """Change the root directory."""

    CODE: ClassVar[int] = 12
    verb: ClassVar[str] = "change root to"
    path: str


@dataclass(frozen=True, slots=True)
class Symlink(OnPath):
    """Make a symbolic link."""

    CODE: ClassVar[int] = 13
    verb: ClassVar[str] = "make link"
    path: str
    text: str
    uid: int = 0
    gid: int = 0

    def numbers(self) -> tuple[int, ...]:
        return (self.uid, self.gid)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.text, self.path)


@dataclass(frozen=True, slots=True)
class MakeNode(OnPath):
    """Make a device."""

    CODE: ClassVar[int] = 14
    verb: ClassVar[str] = "make device"
    path: str
    major: int
    minor: int
    uid: int = 0
    gid: int = 0
    mode: int = 0o666
    kind: int = stat.S_IFCHR

    def numbers(self) -> tuple[int, ...]:
        return (self.mode | self.kind, self.major, self.minor, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class MakeFile(OnPath):
    """Make an empty regular file: something to attach a device at."""

    CODE: ClassVar[int] = 14
    verb: ClassVar[str] = "make file"
    path: str

    def numbers(self) -> tuple[int, ...]:
        return (0o644 | stat.S_IFREG, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class MakeOverlay(Plain):
    """An overlay as a detached mount, held in a slot until the child attaches it.

    Its layers are the entries ``0`` (the topmost), ``1`` and so on of the directory ``layers``.
    Without an upper directory it is read-only, and needs two layers.  ``point`` is a directory of
    the launcher's own, used for an instant where fsconfig(2) does not take the options.
    """

    CODE: ClassVar[int] = 31
    verb: ClassVar[str] = "mount"
    slot: int
    layers: str
    depth: int
    upper: str
    work: str
    point: str
    volatile: bool = False
    user_xattr: bool = False
    """By root of a user namespace: overlayfs' marks are user.* attributes (Linux 5.11)."""

    @property
    def thing(self) -> str:
        above = f", writable in {self.upper}" if self.upper else ""
        count = "1 layer" if self.depth == 1 else f"{self.depth} layers"
        return f"overlay on {self.point} ({count} of {self.layers}{above})"

    def numbers(self) -> tuple[int, ...]:
        return (self.slot, self.volatile, self.depth, self.user_xattr)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.layers, self.upper, self.work, self.point)


@dataclass(frozen=True, slots=True)
class CloneTree(OnPath):
    """A detached copy of a mount of the launcher's own namespace, held in a slot."""

    CODE: ClassVar[int] = 32
    verb: ClassVar[str] = "copy the mount"
    slot: int
    path: str
    recursive: bool = False
    """With what is mounted below it."""
    attributes: int = 0
    """Of all its mounts."""
    direct: bool = False
    """``path`` has no link on it; should somebody have put one there meanwhile, it is refused."""

    def numbers(self) -> tuple[int, ...]:
        return (self.slot, self.recursive, self.attributes, self.direct)


@dataclass(frozen=True, slots=True)
class MakeTmpfs(Plain):
    """A fresh detached tmpfs, held in a slot; the launcher's working directory from here on."""

    CODE: ClassVar[int] = 33
    verb: ClassVar[str] = "mount"
    slot: int
    size: str
    attributes: int
    uid: int = 0
    gid: int = 0

    @property
    def thing(self) -> str:
        return f"tmpfs of {self.size}"

    def numbers(self) -> tuple[int, ...]:
        return (self.slot, self.attributes, self.uid, self.gid)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.size,)


@dataclass(frozen=True, slots=True)
class Attach(OnPath):
    """The child attaches what the launcher holds in a slot."""

    CODE: ClassVar[int] = 34
    verb: ClassVar[str] = "attach the mount at"
    slot: int
    path: str

    def numbers(self) -> tuple[int, ...]:
        return (self.slot,)


@dataclass(frozen=True, slots=True)
class MakeMount(Plain):
    """A detached mount of a file system that needs no options, held in a slot."""

    CODE: ClassVar[int] = 37
    verb: ClassVar[str] = "mount"
    slot: int
    kind: str
    attributes: int

    @property
    def thing(self) -> str:
        return self.kind

    def numbers(self) -> tuple[int, ...]:
        return (self.slot, self.attributes)

    def strings(self) -> tuple[str | bytes, ...]:
        return (self.kind,)
