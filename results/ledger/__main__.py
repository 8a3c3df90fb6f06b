"""``python -m results.ledger RUN``: judge a run, keep its verdicts beside it, print them as JSON.

A child of whoever measures: it loads pandas and the statistics.  Exit status: 0 done, 1 the
run's files cannot be read or written, 2 wrong usage or a ledger that does not hold together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from results.errors import StoreError
from results.frame import DEFAULT_ROOT
from results.ledger.claims.errors import LedgerError
from results.ledger.outcome import encode, judge_run, keep
from results.store.store import RunDirectory


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, judge, keep, print; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m results.ledger", description="Judge every claim by a run."
    )
    parser.add_argument("run", metavar="RUN", help="a run's directory, name or short id")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="where runs are")
    parser.add_argument("--claims", type=Path, help="a ledger file of your own")
    parser.add_argument("--dry", action="store_true", help="write nothing, only print")
    options = parser.parse_args(arguments)
    try:
        directory = RunDirectory.open(options.run, options.root)
        outcome = judge_run(directory, own=options.claims)
        if not options.dry:
            keep(directory, outcome)
    except (StoreError, LedgerError) as error:
        lines = [f"error: {error}", *([f"hint: {error.hint}"] if error.hint else [])]
        sys.stderr.write("\n".join(lines) + "\n")
        return 2 if isinstance(error, LedgerError) else 1
    sys.stdout.buffer.write(msgspec.json.format(encode(outcome), indent=1) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
