# ruff: noqa: D102  # thing, numbers and strings are documented once, in Operation
"""Operations of a box that is made in several commands (waiting.c, hooks.c, terminal.c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from runtimes.launcher.operations.base import Plain


@dataclass(frozen=True, slots=True)
class Ask(Plain):
    """The launcher has the harness do its part, told over a socket, and waits for its answer."""

    CODE: ClassVar[int] = 50
    verb: ClassVar[str] = "wait for the harness"
    ask_fd: int

    def numbers(self) -> tuple[int, ...]:
        return (self.ask_fd,)


@dataclass(frozen=True, slots=True)
class AwaitStart(Plain):
    """The child is created, and goes on when somebody connects to a listening socket."""

    CODE: ClassVar[int] = 51
    verb: ClassVar[str] = "wait to be started"
    listener_fd: int

    def numbers(self) -> tuple[int, ...]:
        return (self.listener_fd,)


@dataclass(frozen=True, slots=True)
class Hook(Plain):
    """Run a program to its end, with a container's state on its standard input."""

    CODE: ClassVar[int] = 52
    verb: ClassVar[str] = "run hook"
    path: str
    argv: tuple[str, ...]
    environment: tuple[str, ...]
    timeout_s: int
    """0: as long as it likes."""
    state: tuple[str, str]
    """What it reads: before its caller's pid, and after it."""

    @property
    def thing(self) -> str:
        return self.path

    def numbers(self) -> tuple[int, ...]:
        return (len(self.argv), self.timeout_s)

    def strings(self) -> tuple[str | bytes, ...]:
        return (*self.state, self.path, *self.argv, *self.environment)


@dataclass(frozen=True, slots=True)
class Terminal(Plain):
    """A terminal as standard streams and controlling terminal; its master goes over a socket."""

    CODE: ClassVar[int] = 53
    verb: ClassVar[str] = "make a terminal"
    socket_fd: int
    uid: int = 0
    gid: int = 0
    rows: int = 0
    columns: int = 0
    console: bool = False
    """Whether it is to be ``/dev/console`` too."""

    def numbers(self) -> tuple[int, ...]:
        return (self.socket_fd, self.uid, self.gid, self.rows, self.columns, self.console)
