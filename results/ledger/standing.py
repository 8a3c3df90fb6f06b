"""``python -m results.ledger.standing RUN``: how the claims of a run stand, as JSON.

A child of whoever measures, started between blocks of a fixed design; it loads pandas and the
statistics, and writes nothing.  What it says is shown to who waits.  It is no look of a sequential
design (``results.ledger.settle``): nothing is stopped, skipped or added for it.  Exit status: 0
done, 1 the run's files cannot be read, 2 wrong usage or a ledger that does not hold together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from results.errors import StoreError
from results.frame import DEFAULT_ROOT
from results.ledger.claims.errors import LedgerError
from results.ledger.findings import ClaimVerdict, Finding
from results.ledger.outcome import judge_run
from results.records.standings import Standing
from results.store.store import RunDirectory


def standings(verdicts: Sequence[ClaimVerdict]) -> Iterator[Standing]:
    """Of every claim that can be judged."""
    for each in verdicts:
        if each.verdict == "not evaluable":
            continue
        finding = _telling(each)
        found = finding.comparison if finding else None
        yield Standing(
            each.claim,
            each.verdict,
            ratio=found.ratio if found else None,
            low=found.equivalence_low if found else None,
            high=found.equivalence_high if found else None,
        )


def _telling(verdict: ClaimVerdict) -> Finding | None:
    """The comparison that decides the claim, else the first that is open."""
    if verdict.decisive is not None:
        return verdict.findings[verdict.decisive]
    judged = [each for each in verdict.findings if each.judged]
    still = [each for each in judged if each.verdict == "inconclusive"]
    return next(iter([*still, *judged]), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, judge, print; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m results.ledger.standing", description="How do the claims of a run stand?"
    )
    parser.add_argument("run", metavar="RUN", help="a run's directory, name or short id")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="where runs are")
    options = parser.parse_args(arguments)
    try:
        outcome = judge_run(RunDirectory.open(options.run, options.root))
    except (StoreError, LedgerError) as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return 1 if isinstance(error, StoreError) else 2
    answer = tuple(standings(outcome.judgement.verdicts))
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
