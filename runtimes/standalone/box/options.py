"""What can be said of a box by hand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from runtimes import arguments
from runtimes.ns.mounts.extra_mounts import parse_bind, parse_tmpfs
from runtimes.ns.profile import NetworkMode
from runtimes.ns.profiles.catalogue import CATALOGUE
from runtimes.standalone.box.publish import parse as parse_port

_HOSTNAME_BYTES = 64


def parse(words: Sequence[str], description: str | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m runtimes.standalone.box",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run = parser.add_subparsers(dest="what", required=True).add_parser("run", help="run a command")
    root = run.add_mutually_exclusive_group(required=True)
    root.add_argument(
        "--layers",
        nargs="+",
        metavar="DIR",
        help="read-only layers, topmost first; one word may hold several, parted by ':'",
    )
    root.add_argument("--image", help="a layout, an archive or a name in the layer store")
    run.add_argument(
        "--profile",
        default="default",
        choices=sorted(CATALOGUE),
        metavar="NAME",
        help="see docs/runtime.md",
    )
    _limits(run.add_argument_group("limits"))
    _files(run.add_argument_group("files"))
    _program(run.add_argument_group("program"))
    run.add_argument("command", nargs="*")
    return parser.parse_args(words)


def _limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--cpus", type=arguments.cpus, default=(), help="CPU numbers, e.g. 0-1; all by default"
    )
    group.add_argument(
        "--cpu-quota", type=_quota, metavar="N", help="CPUs' worth of time, e.g. 0.5"
    )
    group.add_argument(
        "--memory",
        type=arguments.size_bytes,
        default=0,
        metavar="SIZE",
        help="bytes, or 64m; no limit by default",
    )
    group.add_argument(
        "--disk",
        type=arguments.disk_bytes,
        default=0,
        metavar="SIZE",
        help="what can be written to the root, e.g. 1g; as much as there is by default",
    )
    group.add_argument(
        "--pids", type=arguments.count, metavar="N", help="processes and threads; 2048 by default"
    )


def _files(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--bind",
        type=parse_bind,
        action="append",
        default=[],
        metavar="SRC:DST[:ro]",
        help="a file or directory of the host with all mounted below it; its owners stay who they "
        "are: root of a box with a user namespace is not root of the host",
    )
    group.add_argument(
        "--tmpfs",
        type=parse_tmpfs,
        action="append",
        default=[],
        metavar="DST[:size=N,mode=M]",
        help="scratch space in memory",
    )
    group.add_argument("--read-only", action="store_true", help="the root cannot be written to")


def _program(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--hostname", default="box", type=_hostname)
    group.add_argument(
        "--network",
        type=NetworkMode,
        choices=(NetworkMode.NONE, NetworkMode.HOST),
        metavar="{none,host}",
        help="loopback only, or the host's; the profile's by default",
    )
    group.add_argument(
        "--publish",
        type=parse_port,
        action="append",
        default=[],
        metavar="[ADDRESS:]PORT:PORT",
        help="a TCP port of the host (127.0.0.1) that leads to one of the box's loopback",
    )
    group.add_argument("--user", metavar="USER[:GROUP]", help="by the root's own /etc/passwd")
    group.add_argument(
        "--env", action="append", default=[], metavar="NAME[=VALUE]", help="without a value: ours"
    )
    group.add_argument("--workdir", metavar="DIR", help="made where it is missing")


def _quota(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.01 <= value <= 10_000:  # the kernel takes no quota below 1 ms in 100
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a number of CPUs, as 0.5")
    return value


def _hostname(text: str) -> str:
    if not 0 < len(text.encode("utf-8", "surrogateescape")) <= _HOSTNAME_BYTES or "\0" in text:
        raise argparse.ArgumentTypeError(f"a host name has 1 to {_HOSTNAME_BYTES} bytes")
    return text
