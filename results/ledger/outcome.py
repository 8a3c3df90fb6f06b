"""Judge a stored run and keep the outcome: ``verdicts.json``; floors, cautions in run.json."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pandas as pd

from results.errors import StoreError
from results.frame import load as load_frame
from results.gating import Judged
from results.gating.price import priced
from results.ledger.claims.load import load as load_ledger
from results.ledger.claims.schema import Ledger
from results.ledger.claims.vocabulary import Known, installed
from results.ledger.judge.costs import block_costs
from results.ledger.judge.judge import Judgement, judge
from results.ledger.looks import Stage, judge_at, stages_of
from results.records.records import MetricFloor, Run, Trial
from results.stats import StatsError
from results.store.contents import Contents
from results.store.store import RunDirectory

OWN_CLAIMS = "claims.toml"
"""The user's own claims, in the run's directory: it stays complete in itself."""
VERDICTS = "verdicts.json"
SCHEMA = 2
"""Of verdicts.json; docs/claims.md has its history."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run with its ledger judged."""

    run: Run
    """With its floors, and the host's cautions."""
    ledger: Ledger
    judgement: Judgement


def judge_run(
    directory: RunDirectory,
    frame: pd.DataFrame | None = None,
    *,
    own: Path | None = None,
    known: Known | None = None,
) -> Outcome:
    """Judge a stored run by the built-in ledger and the user's own claims.

    A run with a budget is judged as it was looked at, with intervals corrected for that.

    Args:
        directory: the run.
        frame: its samples, where they are loaded already.
        own: the user's file; by default the one in the run's directory, if there is one.
        known: names that claims may use; by default what is installed and what the run holds.

    Raises:
        StoreError: the run's files are damaged.
        LedgerError: the user's file does not hold together.
    """
    run = directory.run()
    ledger = ledger_of(directory, own=own, known=known)
    samples = load_frame(directory) if frame is None else frame
    judged = directory.judged()
    stages = _stages(run, judged.trials, directory.contents())
    judgement = (
        judge_at(ledger, samples, run, judged.trials, stages)
        if stages
        else judge(ledger, samples, run, costs=block_costs(judged.trials))
    )
    return Outcome(_completed(run, _records(judgement), judged), ledger, judgement)


def _completed(run: Run, floors: tuple[MetricFloor, ...], judged: Judged) -> Run:
    """run.json with what judging the run as a whole adds to it."""
    return replace(
        run,
        floors=floors,
        cautions=priced(judged.cautions, floors, run.workloads),
        notes=tuple(dict.fromkeys([*run.notes, *judged.notes])),
    )


def _stages(run: Run, trials: Sequence[Trial], contents: Contents) -> tuple[Stage, ...]:
    """The stages to judge by.  Looks count records; here, those among them that hold.

    Raises:
        StoreError: the looks in run.json are none that can be.
    """
    held = (replace(look, trials=contents.counting_among(look.trials)) for look in run.looks)
    looked = replace(run, looks=tuple(held)) if contents.damaged else run
    try:
        return stages_of(looked, trials)
    except StatsError as error:
        raise StoreError(
            f"run.json of {run.run_id}: its looks do not hold together: {error}",
            "restore it from a copy; the trials beside it are untouched",
        ) from None


def ledger_of(
    directory: RunDirectory, *, own: Path | None = None, known: Known | None = None
) -> Ledger:
    """The claims that a run is judged by.  Arguments and errors as ``judge_run``."""
    kept = directory.path / OWN_CLAIMS
    chosen = own or (kept if kept.is_file() else None)
    return load_ledger(chosen, known or installed(directory.run()))


def keep(directory: RunDirectory, outcome: Outcome) -> Path:
    """Write ``verdicts.json``; floors and cautions into run.json once the run is finished.

    An unfinished run's run.json belongs to whoever measures.

    Raises:
        StoreError: the run's directory cannot be written.
    """
    path = directory.path / VERDICTS
    _write(path, msgspec.json.format(encode(outcome), indent=1))
    before = directory.run()
    if before.finished_utc and before != outcome.run:
        directory.finish(outcome.run)
    return path


def encode(outcome: Outcome) -> bytes:
    """JSON: schema, run, the ledger's digest, the floors, claims with their verdicts."""
    claims = {claim.id: claim for claim in outcome.ledger.claims}
    return msgspec.json.encode(
        {
            "schema": SCHEMA,
            "run_id": outcome.run.run_id,
            "ledger": outcome.judgement.digest,
            "floors": outcome.run.floors,
            "claims": [
                {"definition": claims[verdict.claim], "verdict": verdict}
                for verdict in outcome.judgement.verdicts
            ],
        },
        order="deterministic",
    )


def _records(judgement: Judgement) -> tuple[MetricFloor, ...]:
    return tuple(
        MetricFloor(workload, metric, floor.effect, floor.n, floor.reason)
        for (workload, metric), floor in sorted(judgement.floors.items())
    )


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StoreError(f"{path}: {error.strerror}", "make the run writable") from None
