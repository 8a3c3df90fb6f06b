"""The command line: runc's flags, so that whoever drives runc can drive this."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from runtimes import directories
from runtimes.standalone.oci.command.containers import CONTAINERS

PROGRAM = "tarebench-ns"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; ``what`` is the command."""
    parser = argparse.ArgumentParser(prog=PROGRAM, allow_abbrev=False, description=__doc__)
    parser.add_argument("--root", type=Path, default=default_root(), help="where state is kept")
    parser.add_argument("--log", type=Path, help="file for errors, beside standard error")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--debug", action="store_true", help="accepted; nothing more is told")
    parser.add_argument("--systemd-cgroup", action="store_true", help="refused where it matters")
    parser.add_argument("--version", "-v", action="store_true")
    commands = parser.add_subparsers(dest="what")
    _making(commands)
    _living(commands)
    _looking(commands)
    return parser.parse_args(arguments)


def default_root() -> Path:
    """Below the state directory, where ``invoke clean`` looks."""
    return directories.state() / CONTAINERS


_Commands = argparse._SubParsersAction  # noqa: SLF001  # the only name of this type


def _making(commands: _Commands[argparse.ArgumentParser]) -> None:
    for name, meaning in (
        ("create", "make a container, whose process waits"),
        ("run", "create, start, and wait for the end"),
    ):
        one = commands.add_parser(name, help=meaning, allow_abbrev=False)
        one.add_argument("--bundle", "-b", type=Path, default=Path())
        one.add_argument("--pid-file", type=Path)
        one.add_argument("--console-socket", type=Path)
        one.add_argument("--no-pivot", action="store_true", help="refused")
        one.add_argument("--no-new-keyring", action="store_true", help="so it is anyway")
        one.add_argument("--preserve-fds", type=int, default=0, help="refused")
        if name == "run":
            one.add_argument("--detach", "-d", action="store_true")
            one.add_argument("--keep", action="store_true", help="do not delete it afterwards")
        one.add_argument("id")
    start = commands.add_parser("start", help="have a created container run its program")
    start.add_argument("id")


def _living(commands: _Commands[argparse.ArgumentParser]) -> None:
    kill = commands.add_parser("kill", help="send a signal")
    kill.add_argument("--all", "-a", action="store_true", help="to every process")
    kill.add_argument("id")
    kill.add_argument("signal", nargs="?", default="SIGTERM")
    delete = commands.add_parser("delete", help="remove a stopped container")
    delete.add_argument("--force", "-f", action="store_true", help="kill it first")
    delete.add_argument("id")
    for name in ("pause", "resume"):
        commands.add_parser(name, help=f"{name} all processes").add_argument("id")
    execute = commands.add_parser("exec", help="run a further program inside", allow_abbrev=False)
    execute.add_argument("--process", "-p", type=Path, help="file with an OCI process")
    execute.add_argument("--detach", "-d", action="store_true")
    execute.add_argument("--pid-file", type=Path)
    execute.add_argument("--console-socket", type=Path)
    execute.add_argument("--tty", "-t", action="store_true")
    execute.add_argument("--cwd")
    execute.add_argument("--env", "-e", action="append", default=[])
    execute.add_argument("--user", "-u", help="UID[:GID]")
    execute.add_argument("id")
    execute.add_argument("command", nargs=argparse.REMAINDER)


def _looking(commands: _Commands[argparse.ArgumentParser]) -> None:
    commands.add_parser("state", help="what it is and does, as JSON").add_argument("id")
    events = commands.add_parser("events", help="what it has used so far")
    events.add_argument("--stats", action="store_true", help="once; what there is")
    events.add_argument("id")
    processes = commands.add_parser("ps", help="its processes, as the host numbers them")
    processes.add_argument("--format", "-f", choices=("table", "json"), default="table")
    processes.add_argument("id")
    listed = commands.add_parser("list", help="all containers of this root")
    listed.add_argument("--format", "-f", choices=("table", "json"), default="table")
    listed.add_argument("--quiet", "-q", action="store_true")
    commands.add_parser("features", help="what this runtime can do, as JSON")
    check = commands.add_parser("check", help="say what would be refused in a bundle")
    check.add_argument("bundle", type=Path)
    install = commands.add_parser("install", help="write a program for --add-runtime")
    install.add_argument("path", type=Path)
