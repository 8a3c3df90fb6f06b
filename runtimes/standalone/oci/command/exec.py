"""exec: a further program in a container, confined as its configuration and process say."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.launcher import Plan, Side, Step
from runtimes.launcher import operations as ops
from runtimes.launcher.operations import Operation
from runtimes.launcher.operations import base as kernel
from runtimes.launcher.program import opened
from runtimes.linux import cgroups
from runtimes.ns.build import join_steps
from runtimes.oci.configuration import Configuration
from runtimes.oci.fields import Fields
from runtimes.standalone.oci.command import create
from runtimes.standalone.oci.command.bundle_input import filter_of
from runtimes.standalone.oci.command.containers import Store
from runtimes.standalone.oci.command.state import status
from runtimes.standalone.oci.plan import FLAGS, Waits, confine, terminal
from runtimes.standalone.oci.read import read
from runtimes.standalone.oci.read_process import with_process

_LARGEST_BYTES = 4 << 20
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Visit:
    """What ``exec`` is asked for."""

    name: str
    process: Path | None
    argv: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    directory: str | None = None
    user: str | None = None
    tty: bool = False
    detach: bool = False
    pid_file: Path | None = None
    console: Path | None = None


def execute(store: Store, visit: Visit, told: Callable[[str], None]) -> int:
    """Run a program in a container; its exit status, 0 where it is left to itself.

    Raises:
        RuntimeFault: the container has ended or is paused, or the program cannot be run.
    """
    container = store.load(visit.name)
    now = status(store, container)
    if now not in ("created", "running"):
        raise RuntimeFault(f"cannot exec in container {visit.name}: container not running: {now}")
    one = wanted(read(container.directory), visit)
    if one.terminal != (visit.console is not None):
        raise RuntimeFault("a terminal and --console-socket belong together")
    made = create.creation(container, one, cgroups.detect())
    with contextlib.ExitStack() as stack:
        pidfd = container.pidfd()
        stack.callback(os.close, pidfd)
        launcher = stack.enter_context(opened(create.CACHE, told))
        console = stack.enter_context(create.connected(visit.console)) if visit.console else None
        create.give_streams(one)
        before: list[Operation] = [ops.ChildrenIn(pidfd)] if one.makes("pid") else []
        born_in = str(made.born_in) if made.born_in else ""
        waits = Waits(-1, console_fd=console.fileno() if console else -1)
        entered = [*join_steps(made), ops.EnterProcess(pidfd, _flags(one)), ops.Identity()]
        program = ops.Execute(
            one.argv, one.environment, init=False, directory=one.directory, umask=one.umask
        )
        parts: list[tuple[Side, str, list[Operation]]] = [
            (Side.LAUNCHER, "cloned", [*before, ops.Clone(0, born_in)]),
            (Side.CHILD, "entered", entered),
            (Side.CHILD, "terminal", terminal(one, waits, console=False)),
            (Side.CHILD, "confined", confine(one, filter_of(one))),
            (Side.CHILD, "executed", [program]),
        ]
        steps = [Step(side, stage, each) for side, stage, many in parts for each in many]
        started = launcher.start(
            Plan(tuple(steps)),
            pass_fds=[pidfd, *([console.fileno()] if console else [])],
            timeout_s=_START_S,
        )
        if visit.pid_file is not None:
            create.write_pid(visit.pid_file, started.pid)
    return 0 if visit.detach else create.followed(started)


def _flags(one: Configuration) -> int:
    """All namespaces but those that only a child can be born in."""
    flags = sum(FLAGS[kind] for kind, _ in one.namespaces)
    return flags & ~(kernel.CLONE_NEWPID | kernel.CLONE_NEWTIME)


def wanted(one: Configuration, visit: Visit) -> Configuration:
    """The container's configuration with the visit's process in place of its own.

    Raises:
        RuntimeFault: the process is malformed.
    """
    if visit.process is not None:
        one = with_process(one, Fields("process", _document(visit.process)))
        return replace(one, terminal=one.terminal or visit.tty)
    if not visit.argv:
        raise RuntimeFault("exec needs a command, or a --process file")
    uid, gid = _user(visit.user) if visit.user else (one.uid, one.gid)
    added = [text.partition("=")[::2] for text in visit.environment]
    return replace(
        one,
        argv=visit.argv,
        environment=(*one.environment, *((name, value) for name, value in added)),
        directory=visit.directory or one.directory,
        uid=uid,
        gid=gid,
        terminal=visit.tty,
    )


def _document(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise RuntimeFault(f"{path} is no process: {error}") from None
    if not isinstance(content, dict):
        raise RuntimeFault(f"{path} is no process: not an object")
    return content


def _user(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", text)
    if match is None:
        raise RuntimeFault(f"--user {text} is not UID[:GID]")
    return int(match[1]), int(match[2] or 0)
