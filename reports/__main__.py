"""``python -m reports RUN_DIR``: write report.html and samples.parquet into a run's directory.

A child of the harness, so that the measuring process never loads pandas.  Exit status: 0 done,
1 the run's files cannot be read or written, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from results.errors import StoreError
from results.frame import DEFAULT_ROOT, load, write_parquet
from results.ledger.errors import LedgerError
from results.ledger.outcome import judge_run, keep
from results.store import RunDirectory
from runtimes.printable import printable, printable_line


def write(run: str | Path, root: Path = DEFAULT_ROOT) -> Path:
    """Write both files; path of the page.

    Args:
        run: a run's directory, name or short id.
        root: where names are looked up.

    Raises:
        StoreError: no such run, damaged files, or no room.
        LedgerError: the claims kept with the run do not hold together.
    """
    from reports.html import render  # noqa: PLC0415 — matplotlib takes a second to load
    from reports.view import build  # noqa: PLC0415 — as above
    from reports.view.arms import arm_views  # noqa: PLC0415 — as above
    from reports.view.ledger import ledger_view  # noqa: PLC0415 — as above

    directory = RunDirectory.open(run, root)
    write_parquet(directory)
    samples = load(directory)
    outcome = judge_run(directory, samples)
    keep(directory, outcome)
    contents = directory.contents()
    page = render(
        build(outcome.run, samples, directory.trials(), contents),
        ledger_view(outcome.ledger, outcome.judgement, arm_views(outcome.run), outcome.run.stops),
    )
    target = directory.path / "report.html"
    temporary = directory.path / "report.html.new"
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror}", "make the run writable") from None
    return target


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, write, print the page's path; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m reports", description="Write report.html and samples.parquet of a run."
    )
    parser.add_argument("run", metavar="RUN_DIR", help="a run's directory, name or short id")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="where runs are")
    options = parser.parse_args(arguments)
    try:
        path = write(options.run, options.root)
    except (StoreError, LedgerError) as error:
        lines = [f"error: {error}", *([f"hint: {error.hint}"] if error.hint else [])]
        sys.stderr.write(printable("\n".join(lines)) + "\n")
        return 1
    sys.stdout.write(f"{printable_line(str(path))}\n")
    return 0


if __name__ == "__main__":
    # matplotlib wants a writable directory for its font cache; a run as root may have no home.
    os.environ.setdefault("MPLBACKEND", "svg")
    sys.exit(main())
