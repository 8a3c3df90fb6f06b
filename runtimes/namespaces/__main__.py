"""``python -m runtimes.namespaces run --layers DIR… -- CMD``: one box by hand.

Standard streams are inherited and the exit status is passed on (128 + signal for a killed
command; 125 where the box could not be started).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from runtimes import cgroups
from runtimes.base import RuntimeFault
from runtimes.cpu_list import parse_cpus
from runtimes.launcher.program import opened
from runtimes.namespaces import build, roots, seccomp, userns, view
from runtimes.namespaces.build import Box
from runtimes.namespaces.catalogue import CATALOGUE
from runtimes.namespaces.engine import remove_tree
from runtimes.namespaces.profiles import NetworkMode
from runtimes.namespaces.view import Places
from runtimes.process import ENVIRONMENT

CANNOT_START = 125
YEARS_S = 1e6


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m runtimes.namespaces", description=__doc__)
    run = parser.add_subparsers(dest="what", required=True).add_parser("run", help="run a command")
    run.add_argument(
        "--layers",
        required=True,
        nargs="+",
        metavar="DIR",
        help="read-only layers, topmost first; one word may hold several, parted by ':'",
    )
    run.add_argument(
        "--profile",
        default="default",
        choices=sorted(CATALOGUE),
        metavar="NAME",
        help="see docs/runtime.md",
    )
    run.add_argument("--cpus", default="", help="CPU numbers, e.g. 0-1; all by default")
    run.add_argument("--memory", type=int, default=0, help="bytes; no limit by default")
    run.add_argument("--hostname", default="box")
    run.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    """Run one box to its end; exit status of its command.

    Raises:
        RuntimeFault: it could not be started.
    """
    profile = CATALOGUE[options.profile]
    if profile.network in build.LINKED:  # there is no testbed here
        profile = replace(profile, network=NetworkMode.NONE)
    name = secrets.token_hex(3)
    cpus = parse_cpus(options.cpus) or tuple(sorted(os.sched_getaffinity(0)))
    hierarchy = cgroups.detect()
    layers = roots.Stack(tuple(directories(options.layers)))
    own = _state() / name
    places = Places(own / "box", own / "stage")
    with contextlib.ExitStack() as stack:
        launcher = stack.enter_context(opened(_cache(), _tell))
        stack.callback(remove_tree, own)
        stack.callback(hierarchy.remove_all, name)
        hierarchy.prepare(name)
        bounds = cgroups.Bounds(
            cpus, memory_bytes=options.memory or None, controllers=profile.controllers
        )
        line = f"0 {build.FIRST_ID} {build.ID_COUNT}"
        mapped = stack.enter_context(userns.mapped(launcher, line)) if profile.user else None
        roots.prepare(launcher, layers, places, mapped)
        if not profile.pivot:
            launcher.prepare(view.native_root(places))
        box = Box(
            profile=profile,
            hostname=options.hostname,
            depth=layers.depth,
            places=places,
            argv=tuple(options.command),
            environment={**ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")},
            creation=hierarchy.creation(name, "box", bounds),
            controllers=hierarchy.controllers,
            filter=seccomp.compile_filter() if profile.seccomp else b"",
        )
        started = launcher.start(build.plan(box))
        return started.wait(YEARS_S)


def directories(words: Sequence[str]) -> Iterator[Path]:
    """Layers as the command line names them.

    Raises:
        RuntimeFault: one of them is no directory.
    """
    for word in words:
        for part in [word] if Path(word).is_dir() else word.split(":"):
            layer = Path(part).resolve()
            if not layer.is_dir():
                raise RuntimeFault(f"layer {layer} is not a directory", hint="see --layers")
            yield layer


def _state() -> Path:
    return Path(os.environ.get("TAREBENCH_STATE", "/var/lib/tarebench"))


def _cache() -> Path:
    return Path(os.environ.get("TAREBENCH_CACHE", "/var/cache/tarebench"))


def _tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def main() -> int:
    """Run the command line; the process's exit status."""
    try:
        return run(parse(sys.argv[1:]))
    except RuntimeFault as fault:
        _tell(f"{fault}" + (f"\n{fault.hint}" if fault.hint else ""))
        return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
