"""Containers on disk: one directory each, found by id, and what their processes are doing now.

A directory holds ``state.json``, the ``config.json`` that the container was made from (later
changes in the bundle are not to count), and as long as it waits to be started the socket to do
that by.  Process numbers come again, so a process is its number and its start time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from runtimes import directories
from runtimes.conventions import CGROUP_PARENT
from runtimes.faults import RuntimeFault
from runtimes.linux import trees

VERSION = "1.0.2"
"""Of the runtime specification."""
CONTAINERS = "containers"
"""Below the state directory: where containers are unless told otherwise."""
SOCKET = "start"
CLAIMED = "starting"
CONFIG = "config.json"
CGROUPS = f"{CGROUP_PARENT}/containers"
"""Below which the cgroups are of containers whose bundle names none."""
_STATE = "state.json"
_LOCK = "lock"
_ID = re.compile(r"[\w+.-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a container."""

    id: str
    bundle: str
    cgroup: str
    """Relative to every hierarchy's mount point."""
    created: str
    """When, in RFC 3339's words."""
    pid: int = 0
    """0 while it is being made."""
    start_ticks: int = 0
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """One container's directory and record."""

    directory: Path
    record: Record

    @property
    def name(self) -> str:
        """Its id."""
        return self.record.id

    def alive(self) -> bool:
        """Whether its process is there and not a zombie."""
        return bool(self.record.pid) and ticks(self.record.pid) == self.record.start_ticks

    def pidfd(self) -> int:
        """Its process, held.

        Raises:
            RuntimeFault: it has ended.
        """
        try:
            descriptor = os.pidfd_open(self.record.pid)
        except (ProcessLookupError, ValueError, OSError):
            raise self.not_running() from None
        if not self.alive():
            os.close(descriptor)
            raise self.not_running()
        return descriptor

    def not_running(self) -> RuntimeFault:
        """The fault of asking a process for something that has ended."""
        return RuntimeFault(f"container {self.name}: container not running")

    def waits(self) -> bool:
        """Whether it is created and nobody has started it."""
        return (self.directory / SOCKET).exists()

    def forget(self) -> None:
        """Remove the directory."""
        with contextlib.suppress(FileNotFoundError):
            trees.remove(self.directory)


def ticks(pid: int) -> int:
    """When a process began, in clock ticks since boot; 0 where it has ended (proc(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in ("Z", "X") else int(fields[19])


@dataclass(frozen=True, slots=True)
class Store:
    """All containers of one root directory."""

    root: Path

    @contextlib.contextmanager
    def make(self, record: Record) -> Iterator[Container]:
        """A new container's directory, locked against ``sweep`` while the context lasts.

        Raises:
            RuntimeFault: the id is none, or taken.
        """
        directory = self.root / checked(record.id)
        if not self.root.exists():
            directories.closed(self.root)
        try:
            directory.mkdir(mode=0o700)
        except FileExistsError:
            raise RuntimeFault(
                f"container with id exists: {record.id}", hint="delete it, or choose another id"
            ) from None
        container = Container(directory, record)
        # Whoever may open a file may lock it.
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        with os.fdopen(os.open(directory / _LOCK, flags, 0o600), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.keep(container)
            yield container

    def keep(self, container: Container) -> None:
        """Write the record, whole or not at all."""
        new = container.directory / f".{_STATE}"
        new.write_text(json.dumps(asdict(container.record)))
        new.replace(container.directory / _STATE)

    def load(self, name: str) -> Container:
        """A container by its id.

        Raises:
            RuntimeFault: there is none.
        """
        directory = self.root / checked(name)
        try:
            record = json.loads((directory / _STATE).read_text())
        except FileNotFoundError:
            raise RuntimeFault(f"container does not exist: {name}") from None
        except (OSError, ValueError) as error:
            raise RuntimeFault(f"state of container {name} cannot be read: {error}") from None
        record["annotations"] = tuple((key, value) for key, value in record["annotations"])
        return Container(directory, Record(**record))

    def names(self) -> list[str]:
        """Ids of all containers."""
        try:
            return sorted(entry.name for entry in self.root.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return []

    def busy(self, name: str) -> bool:
        """Whether somebody is making this container at the moment."""
        try:
            with (self.root / name / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False


def checked(name: str) -> str:
    """A container's id, which becomes a directory's name.

    Raises:
        RuntimeFault: it is none.
    """
    if not _ID.fullmatch(name) or name in (".", ".."):
        raise RuntimeFault(
            f"invalid container id: {name!r}", hint="letters, digits and _ + - . only"
        )
    return name
