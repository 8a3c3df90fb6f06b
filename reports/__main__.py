"""``python -m reports RUN_DIR``: write report.html and samples.parquet into a run's directory.

A child of the harness, so that the measuring process never loads pandas.  Exit status: 0 done,
1 the run's files cannot be read or written, 2 wrong usage, 4 the page is written and parts of it
are missing, which standard error tells in a line each.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports.faults import Faults
from results.errors import PARTS_MISSING, StoreError
from results.frame import DEFAULT_ROOT, load, write_parquet
from results.ledger.claims.errors import LedgerError
from results.ledger.outcome import Outcome, judge_run, keep
from results.store.store import RunDirectory
from runtimes.printable import printable, printable_line

if TYPE_CHECKING:
    import pandas as pd

    from reports.view.ledger import LedgerView


def write(run: str | Path, root: Path = DEFAULT_ROOT, faults: Faults | None = None) -> Path:
    """Write both files; path of the page.

    Args:
        run: a run's directory, name or short id.
        root: where names are looked up.
        faults: collects what cannot be shown or kept; None: such an error is raised.

    Raises:
        StoreError: no such run, or no room.
        LedgerError: the claims kept with the run do not hold together.
    """
    from reports.html import render  # noqa: PLC0415 — matplotlib takes a second to load
    from reports.view import build  # noqa: PLC0415 — as above

    faults = faults or Faults(strict=True)
    directory = RunDirectory.open(run, root)
    samples = load(directory)
    faults.make("environment", lambda: write_parquet(directory), None)
    outcome = faults.make("ledger evidence", lambda: _judged(directory, samples), None)
    record = outcome.run if outcome else directory.run()
    claims = faults.make("ledger evidence", lambda: _claims(outcome), None)
    view = build(record, samples, directory.trials(), directory.contents(), faults)
    page = render(view, claims, faults)
    target = directory.path / "report.html"
    temporary = directory.path / "report.html.new"
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror}", "make the run writable") from None
    return target


def _judged(directory: RunDirectory, samples: pd.DataFrame) -> Outcome:
    """The verdicts, kept beside the run."""
    outcome = judge_run(directory, samples)
    keep(directory, outcome)
    return outcome


def _claims(outcome: Outcome | None) -> LedgerView | None:
    from reports.view.arms import arm_views  # noqa: PLC0415 — as above
    from reports.view.ledger import ledger_view  # noqa: PLC0415 — as above

    if outcome is None:
        return None
    run = outcome.run
    return ledger_view(outcome.ledger, outcome.judgement, arm_views(run), run.stops)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, write, print the page's path; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m reports", description="Write report.html and samples.parquet of a run."
    )
    parser.add_argument("run", metavar="RUN_DIR", help="a run's directory, name or short id")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="where runs are")
    options = parser.parse_args(arguments)
    faults = Faults()
    try:
        path = write(options.run, options.root, faults)
    except (StoreError, LedgerError) as error:
        lines = [f"error: {error}", *([f"hint: {error.hint}"] if error.hint else [])]
        sys.stderr.write(printable("\n".join(lines)) + "\n")
        return 1
    sys.stdout.write(f"{printable_line(str(path))}\n")
    for fault in faults.found:
        line = f"not shown in {', '.join(fault.sections)}: {fault.what}"
        sys.stderr.write(f"{printable_line(line)}\n")
    return PARTS_MISSING if faults.found else 0


if __name__ == "__main__":
    # matplotlib wants a writable directory for its font cache; a run as root may have no home.
    os.environ.setdefault("MPLBACKEND", "svg")
    sys.exit(main())
