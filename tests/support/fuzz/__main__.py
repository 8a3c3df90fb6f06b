"""``python -m tests.support.fuzz``: every target, or some, for so many seconds in all.

Exit status: 0 nothing was found, 1 something was, 2 wrong usage.  What was found is written beside
the seed that finds it again; a case that is mended belongs into the target's corpus.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import zlib
from collections.abc import Mapping, Sequence

from rich.table import Table

from harness.terminal.terminal import say, stderr, stdout, warn
from tests.support.fuzz import CORPUS, TARGETS, Report, target


def main(arguments: Sequence[str] | None = None) -> int:
    """The process's exit status."""
    options = _parsed(arguments)
    names = options.target or sorted(TARGETS)
    each_s = options.seconds / len(names)
    say(f"seed {options.seed}: {len(names)} targets, {each_s:.0f} s each")
    reports: dict[str, Report] = {}
    with stderr.status("") as status:
        for done, name in enumerate(names):
            status.update(f"{name}, about {each_s * (len(names) - done):.0f} s left")
            reports[name] = run(name, options.seed, each_s)
    stdout.print(table(reports))
    for name, report in reports.items():
        for finding in report.findings:
            warn(f"{name}, seed {options.seed}: {finding}")
    return 1 if any(report.findings for report in reports.values()) else 0


def run(name: str, seed: int, seconds: float) -> Report:
    """One target; its cases depend on the seed and its own name alone."""
    rng = random.Random(seed ^ zlib.crc32(name.encode()))
    return target(name)(rng, seconds, CORPUS / name)


def table(reports: Mapping[str, Report]) -> Table:
    """What each target came to."""
    shown = Table()
    for heading in ("target", "cases", "came deep", "found"):
        shown.add_column(heading, justify="left" if heading == "target" else "right")
    for name, report in reports.items():
        cells = (str(report.cases), str(report.reached), str(len(report.findings)))
        shown.add_row(name, *(cells if not report.skipped else (report.skipped, "", "")))
    return shown


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.fuzz")
    parser.add_argument("--seconds", type=float, default=60.0, help="in all; 60")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--target", action="append", choices=sorted(TARGETS))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
