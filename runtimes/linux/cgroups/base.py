"""What v1 and v2 have in common: the protocols, and file access with exact errors."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from runtimes.conventions import CGROUP_PARENT
from runtimes.faults import RuntimeFault
from runtimes.linux.cgroups.specs import Account, Bounds, Creation
from runtimes.resources import LimitsRead

PERIOD_US = 100_000
"""CFS period: what Docker and every other runtime use."""

UNLIMITED_BYTES = 1 << 62
"""v1 writes "no limit" as 2**63 rounded down to pages: anything as large is none."""

_HINTS = {
    errno.EACCES: "root is needed",
    errno.EPERM: "root is needed, in the host's own cgroup namespace",
    errno.EROFS: "the cgroup file system is mounted read-only: run outside of a container",
    errno.EBUSY: "processes are still inside; end them, or run `invoke clean`",
    errno.ENOENT: "the controller is not enabled here: see /proc/cgroups and the parent's "
    "cgroup.subtree_control",
    errno.ENOSPC: "too many cgroups exist; `invoke clean` removes ours",
    errno.EINVAL: "the kernel does not accept this value: check --cpus and --memory against "
    "the host",
    errno.EEXIST: "a run of the same id is under way or was killed; run `invoke clean`",
}


class Group(Protocol):
    """One box's cgroup, in however many hierarchies."""

    def limits(self) -> LimitsRead:
        """Limits as the kernel has them."""
        ...

    def cpu_ns(self) -> int | None:
        """CPU time used so far."""
        ...

    def memory_bytes(self) -> int | None:
        """Current charge."""
        ...

    def memory_peak_bytes(self) -> int | None:
        """Highest charge so far; ``None`` where the kernel does not keep it (v2 before 5.19)."""
        ...

    def oom_kills(self) -> int:
        """Processes that the kernel killed because of the memory limit."""
        ...

    def account(self) -> Account:
        """Everything that is accounted, at once."""
        ...

    def pids(self) -> tuple[int, ...]:
        """Every process inside, as the host numbers them."""
        ...

    def add(self, pid: int) -> None:
        """Move a process inside."""
        ...

    def freeze(self) -> None:
        """Stop every process; returns when they have stopped."""
        ...

    def thaw(self) -> None:
        """Let them go on."""
        ...

    def frozen(self) -> bool:
        """Whether they have been stopped."""
        ...

    def kill(self, timeout_s: float) -> None:
        """Kill every process; returns when they are gone.  Raises RuntimeFault after the time."""
        ...

    def remove(self) -> None:
        """Remove the directories.  Idempotent; raises RuntimeFault while processes are inside."""
        ...


class Hierarchy(Protocol):
    """The host's cgroups, of whatever version."""

    @property
    def version(self) -> str:
        """``v1``, ``hybrid`` (v1 controllers beside a v2 mount) or ``v2``."""
        ...

    @property
    def controllers(self) -> Mapping[str, Path] | None:
        """v1 controllers in use and their mount points; ``None`` on v2."""
        ...

    @property
    def enforces(self) -> frozenset[str]:
        """Controllers (``cpuset``, ``cpu``, ``memory``…) whose limits are kept here."""
        ...

    def prepare(self, run: str) -> None:
        """Make the run's parent directories, with the controllers that its boxes need."""
        ...

    def creation(self, run: str, name: str, bounds: Bounds) -> Creation:
        """What makes the cgroup of box ``name``."""
        ...

    def group(self, run: str, name: str) -> Group:
        """The cgroup of box ``name``, made or not."""
        ...

    def release(self, run: str) -> None:
        """Remove the run's parent directories unless something is in them still."""
        ...

    def remove_all(self, run: str) -> list[str]:
        """Kill and remove everything of a run; one line for each box removed."""
        ...


class Tree(Hierarchy, Protocol):
    """Mounted hierarchies, in which a cgroup may be anywhere: others say where theirs are."""

    def prepare_path(self, path: str) -> None:
        """As ``prepare``, a parent anywhere below the hierarchies' mount points."""
        ...

    def creation_at(self, below: str, bounds: Bounds, *, whole: bool = False) -> Creation:
        """As ``creation``, at a path of its own; ``whole``: with controllers for no limit too."""
        ...

    def group_at(self, below: str) -> Group:
        """As ``group``, at a path of its own."""
        ...

    def release_path(self, path: str) -> None:
        """As ``release``, a parent and its own parent at a path of its own."""
        ...


def parent_path(run: str) -> str:
    """The run's directory, relative to a hierarchy's mount point."""
    return f"{CGROUP_PARENT}/{run}"


def create(creation: Creation) -> None:
    """Carry out a creation from Python (the launcher does it itself).

    Raises:
        RuntimeFault: naming file, value and cause.
    """
    for directory in creation.directories:
        make_directory(directory)
    for item in creation.writes:
        write(item.path, item.value)


def is_writable(directory: Path) -> bool:
    """Whether we may make cgroups below ``directory``, or below what is ours in it already."""
    own = directory / CGROUP_PARENT
    return os.access(own if own.is_dir() else directory, os.W_OK | os.X_OK, effective_ids=True)


def _fault(action: str, error: OSError) -> RuntimeFault:
    code = error.errno or 0
    name = errno.errorcode.get(code, str(code))
    return RuntimeFault(f"{action}: {name} ({os.strerror(code)})", hint=_HINTS.get(code, ""))


def write(path: Path, value: str) -> None:
    """Write a value in one piece, as cgroup files want it.

    Raises:
        RuntimeFault: naming file, value and cause.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _fault(f"write {value!r} to {path}", error) from None


def read(path: Path) -> str:
    """A file's stripped text.

    Raises:
        RuntimeFault: naming file and cause.
    """
    try:
        return path.read_text().strip()
    except OSError as error:
        raise _fault(f"read {path}", error) from None


def read_or_none(path: Path) -> str | None:
    """As ``read``, ``None`` where there is no such file."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def number(path: Path) -> int | None:
    """A file's number; ``None`` where there is none, or the file says ``max``."""
    text = read_or_none(path)
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def keyed(path: Path, key: str) -> int | None:
    """Number after ``key`` in a file of ``key number`` lines."""
    for line in (read_or_none(path) or "").splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.isdigit():
            return int(value)
    return None


def make_directory(path: Path, *, may_exist: bool = False) -> None:
    """Make one cgroup.

    Raises:
        RuntimeFault: naming the directory and the cause.
    """
    try:
        path.mkdir(exist_ok=may_exist)
    except OSError as error:
        raise _fault(f"make cgroup {path}", error) from None


def remove_directory(path: Path) -> bool:
    """Remove one cgroup; False where it is gone already.

    Raises:
        RuntimeFault: naming the directory and the cause.
    """
    try:
        path.rmdir()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _fault(f"remove cgroup {path}", error) from None
    return True


def remove_tree(path: Path) -> None:
    """Remove a cgroup and whatever a box may have made below it.

    Raises:
        RuntimeFault: as ``remove_directory``.
    """
    try:
        path.rmdir()  # the usual case: nothing below, one call
    except FileNotFoundError:
        return
    except OSError:
        for inner in tree(path):
            remove_directory(inner)


def processes(path: Path) -> tuple[int, ...]:
    """Processes directly inside a cgroup; none where it is gone."""
    text = read_or_none(path / "cgroup.procs") or ""
    return tuple(int(line) for line in text.split() if line.isdigit() and line != "0")


def tree(path: Path) -> list[Path]:
    """A cgroup and everything below it, deepest first; empty where it is gone."""
    found, pending = [], [path]
    while pending:
        here = pending.pop()
        if here.is_dir():
            found.append(here)
            pending += children(here)
    return found[::-1]


def children(path: Path) -> list[Path]:
    """Cgroups directly below."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(entry for entry in path.iterdir() if entry.is_dir())
    return []
