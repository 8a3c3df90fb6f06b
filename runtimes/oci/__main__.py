"""``python -m runtimes.oci run BUNDLE``: run an OCI bundle with ``ns``; ``check`` only reads it.

Standard streams are inherited and the exit status is passed on (128 + signal for a killed
command; 125 where the bundle is refused or could not be started).  The container is in cgroups
of its own only if the bundle sets limits.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from runtimes import cgroups
from runtimes.base import RuntimeFault
from runtimes.launcher.program import opened
from runtimes.namespaces.alone import CANNOT_START, YEARS_S
from runtimes.namespaces.engine import remove_tree
from runtimes.namespaces.view import Places
from runtimes.oci import plan
from runtimes.oci.compile import compile_rules
from runtimes.oci.configuration import Configuration
from runtimes.oci.read import read


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m runtimes.oci", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    for name, meaning in (("run", "run it to its end"), ("check", "say what ns would refuse")):
        commands.add_parser(name, help=meaning).add_argument("bundle", type=Path)
    return parser.parse_args(arguments)


def run(bundle: Path) -> int:
    """Run one bundle to its end; exit status of its process.

    Raises:
        RuntimeFault: refused, or it could not be started.
    """
    one = read(bundle)
    name = secrets.token_hex(3)
    own = Path(os.environ.get("TAREBENCH_STATE", "/var/lib/tarebench")) / name
    places = Places(own / "box", own / "stage")
    hierarchy = cgroups.detect()
    with contextlib.ExitStack() as stack:
        cache = Path(os.environ.get("TAREBENCH_CACHE", "/var/cache/tarebench"))
        launcher = stack.enter_context(opened(cache, _tell))
        stack.callback(remove_tree, own)
        places.make()
        launcher.prepare(plan.staged(one, bundle.resolve(), places))
        stack.callback(hierarchy.remove_all, name)
        hierarchy.prepare(name)
        means = plan.Means(
            places,
            hierarchy.creation(name, "box", one.bounds) if one.bounds else None,
            hierarchy.controllers,
            compile_rules(one.filter) if one.filter else b"",
        )
        started = launcher.start(plan.plan(one, means))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: started.signal(number))
        return started.wait(YEARS_S)


def describe(one: Configuration) -> str:
    """One line on a bundle that ns takes."""
    kinds = " ".join(kind for kind, _ in one.namespaces)
    return f"{' '.join(one.argv)}: namespaces {kinds}; {len(one.mounts)} mounts"


def _tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def main() -> int:
    """Run the command line; the process's exit status."""
    options = parse(sys.argv[1:])
    try:
        if options.what == "run":
            return run(options.bundle)
        sys.stdout.write(f"{describe(read(options.bundle))}\n")
    except RuntimeFault as fault:
        _tell(f"{fault}" + (f"\n{fault.hint}" if fault.hint else ""))
        return CANNOT_START
    return 0


if __name__ == "__main__":
    sys.exit(main())
