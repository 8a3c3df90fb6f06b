"""A run as tidy pandas frames; here pandas starts, and nothing that measures imports it.

``load``: one row per sample.

============ ======== =====================================================================
column       dtype    meaning
============ ======== =====================================================================
run_id       category name of the run
block        int64    every arm once, in random order
trial_id     category the unit of statistics
attempt      int64    counts from 1
backend      category kind of box
profile      category variation of the backend
arm          category ``backend``, or ``backend:profile``
workload     category ``resource.what``
resource     category cpu, memory, network, storage, startup, footprint, system, application
metric       category unique within its workload
unit         category SI, or the field's own
direction    category ``higher`` or ``lower`` is better
iteration    int64    repeat within the trial, from 1; below: a warm-up, which is not valid
value        float64  finite, in ``unit``
valid        bool     may be used in a verdict: its own mark, and its trial is ``ok``
reasons      category gate codes that hold, joined by ``"; "``; empty when none
place        int64    of a slice: when it was done in its block, from 0; -1: it is no slice
============ ======== =====================================================================

``load_trials``: one row per recorded trial, with ``status``, ``error``, ``tail``, the findings
and one ``<phase>_ns`` column (nullable Int64) for each phase of any trial.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path

import duckdb
import pandas as pd

from results.errors import StoreError
from results.gating.validity import Marks
from results.records.records import WARM_UP, Run, Sample, Trial, arm_name
from results.store.store import RunDirectory

DEFAULT_ROOT = Path(__file__).parent / "runs"
"""Where runs are when a name is given without a root."""

TEXTS = ("run_id", "trial_id", "backend", "profile", "workload", "metric", "unit", "direction")
_kind_of = attrgetter(*TEXTS, "block", "attempt", "valid", "reasons")
COLUMNS = (
    *("run_id", "block", "trial_id", "attempt", "backend", "profile", "arm", "workload"),
    *("resource", "metric", "unit", "direction", "iteration", "value", "valid", "reasons"),
    "place",
)
NO_SLICE = -1
LARGE, SMALL = 1e300, 2.0**-40

RunLike = RunDirectory | Path | str


def load(run: RunLike, root: Path = DEFAULT_ROOT) -> pd.DataFrame:
    """Every sample of ``run`` whose trial counts as recorded, in the columns above.

    Args:
        run: an open run, its directory, its name or its short id.
        root: where a name is looked up.

    Raises:
        StoreError: no such run, or its files cannot be read.
    """
    directory = _opened(run, root)
    # What is valid, and why not, is what the gates say of the run as a whole.
    judged = directory.judged()
    pairs = zip(judged.recorded, judged.trials, strict=True)
    marks = {(now.trial_id, now.attempt): Marks(was, now) for was, now in pairs}
    return _samples_frame(directory.samples(), marks, directory.run())


def means_by(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """``mean`` and ``size`` of the values of each group, in the order of ``by``.

    Values near the largest float are scaled by a power of two while they are added up: the mean of
    what a journal may hold is a float, and their sum need not be.
    """
    scale = SMALL if frame["value"].abs().max() > LARGE else 1.0
    scaled = frame if scale == 1.0 else frame.assign(value=frame["value"] * scale)
    groups = scaled.groupby(list(by), observed=True, sort=True)["value"]
    means = groups.agg(["mean", "size"]).reset_index()
    means["mean"] /= scale
    return means


def without_warm_ups(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``frame`` that are no warm-up: no verdict rests on those, and none lacks them."""
    warm = [text for text in frame["reasons"].unique() if WARM_UP in str(text).split("; ")]
    return frame[~frame["reasons"].isin(warm)] if warm else frame


def load_trials(run: RunLike, root: Path = DEFAULT_ROOT) -> pd.DataFrame:
    """Every recorded trial of ``run``, one row each.  Arguments and errors as ``load``."""
    trials = _opened(run, root).trials()
    phases = sorted({phase for trial in trials for phase in trial.phases_ns})
    rows = [_trial_row(trial) for trial in trials]
    frame = pd.DataFrame(rows, columns=list(_TRIAL_TYPES)).astype(_TRIAL_TYPES)
    for phase in phases:
        instants = [trial.phases_ns.get(phase) for trial in trials]
        frame[f"{phase}_ns"] = pd.array(instants, dtype="Int64")
    return frame


def write_parquet(run: RunLike, root: Path = DEFAULT_ROOT) -> Path:
    """Write ``samples.parquet`` beside the journal, whole or not at all; its path.

    Raises:
        StoreError: as ``load``, or the file cannot be written.
    """
    directory = _opened(run, root)
    plain = load(directory).astype(dict.fromkeys((*TEXTS, "arm", "resource", "reasons"), "object"))
    target = directory.path / "samples.parquet"
    temporary = directory.path / "samples.parquet.new"
    quoted = str(temporary).replace("'", "''")
    try:
        with _database() as database:
            database.register("samples", plain)
            database.execute(
                f"COPY (SELECT * FROM samples) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608 — COPY takes no parameters; the path is quoted
            )
        temporary.replace(target)
    except (OSError, duckdb.Error) as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"{target}: {error}", "make room, or make the run writable") from None
    return target


def _database() -> duckdb.DuckDBPyConnection:
    # Extensions would come over the network, and Parquet is built in.
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    return duckdb.connect(":memory:", config=config)


def _opened(run: RunLike, root: Path) -> RunDirectory:
    return run if isinstance(run, RunDirectory) else RunDirectory.open(run, root)


def _samples_frame(
    samples: Iterable[Sample], marks: Mapping[tuple[str, int], Marks], run: Run
) -> pd.DataFrame:
    """Samples that differ only in iteration and value are of one kind, a row that they share.

    There are far fewer of those, so that a run of a million samples loads in seconds.
    """
    kinds: dict[object, int] = {}
    first_of_kind: list[Sample] = []
    codes, iterations, places, values = array("q"), array("q"), array("q"), array("d")
    for sample in samples:
        code = kinds.setdefault(_kind_of(sample), len(kinds))
        if code == len(first_of_kind):
            first_of_kind.append(sample)
        codes.append(code)
        iterations.append(sample.iteration)
        places.append(NO_SLICE if sample.place is None else sample.place)
        values.append(sample.value)
    resources = {workload.name: workload.resource for workload in run.workloads}
    rows = [_row(sample, marks, resources) for sample in first_of_kind]
    frame = _typed(pd.DataFrame(rows, columns=list(COLUMNS))).take(codes)
    frame["iteration"] = pd.array(iterations, dtype="int64").to_numpy()
    frame["value"] = pd.array(values, dtype="float64").to_numpy()
    frame["place"] = pd.array(places, dtype="int64").to_numpy()
    return frame.reset_index(drop=True)


def _row(
    sample: Sample, marks: Mapping[tuple[str, int], Marks], resources: Mapping[str, str]
) -> dict[str, object]:
    valid, reasons = marks[sample.trial_id, sample.attempt].of(sample)
    derived = {
        "arm": arm_name(sample.backend, sample.profile),
        "resource": resources.get(sample.workload, sample.workload.partition(".")[0]),
        "valid": valid,
        "reasons": "; ".join(reasons),
        "place": NO_SLICE,
    }
    return {name: derived.get(name, getattr(sample, name, None)) for name in COLUMNS}


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    whole = dict.fromkeys(("block", "attempt", "iteration", "place"), "int64")
    numbers = {**whole, "value": "float64"}
    labels = dict.fromkeys((*TEXTS, "arm", "resource", "reasons"), "category")
    typed = frame.astype({**numbers, "valid": "bool"})
    for name in labels:
        # Categories in sorted order and of one dtype, so that a frame read back equals its origin.
        values = typed[name].astype("str")
        typed[name] = pd.Categorical(values, categories=sorted(set(values)))
    return typed


_TRIAL_TYPES = {
    "run_id": "str",
    "trial_id": "str",
    "attempt": "int64",
    "block": "int64",
    "position": "int64",
    "backend": "str",
    "profile": "str",
    "arm": "str",
    "workload": "str",
    "status": "str",
    "reasons": "str",
    "error": "str",
    "tail": "str",
    "started_utc": "str",
    "program_digest": "str",
    "bookkeeping_ns": "int64",
}


def _trial_row(trial: Trial) -> dict[str, object]:
    derived = {
        "arm": arm_name(trial.backend, trial.profile),
        "reasons": "; ".join(finding.code for finding in trial.findings),
    }
    return {name: derived.get(name) or getattr(trial, name, "") for name in _TRIAL_TYPES}
