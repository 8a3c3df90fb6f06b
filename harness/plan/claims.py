"""A user's own claims: checked before a run begins, kept in its directory.

Reads no data and loads no statistics: that is the report's part, in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from results.errors import StoreError
from results.ledger.claims.load import load
from results.ledger.claims.vocabulary import Known
from runtimes.base import Runtime
from runtimes.variations import profiles
from workloads.base import Workload

FILE = "claims.toml"


def known_names(runtimes: Mapping[str, Runtime], workloads: Mapping[str, Workload]) -> Known:
    """Every name that a claim may use, down to profiles and metrics."""
    return Known(
        profiles={name: frozenset(profiles(each)) for name, each in runtimes.items()},
        metrics={
            name: frozenset(metric.name for metric in each.metrics)
            for name, each in workloads.items()
        },
    )


def checked(path: str | None, known: Known) -> str:
    """Text of the file at ``path`` once it holds together; empty without a path.

    Raises:
        LedgerError: it does not; says the line and the key.
    """
    if not path:
        return ""
    load(Path(path), known)
    return Path(path).read_text(encoding="utf-8")


def keep(claims: str, run: Path) -> None:
    """Put the claims into the run's directory, whole or not at all; no claims, no file.

    Raises:
        StoreError: it cannot be written.
    """
    if not claims:
        return
    target = run / FILE
    temporary = run / f"{FILE}.new"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(claims)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror}", "make the run writable") from None
