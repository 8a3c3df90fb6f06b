"""A run's directory: ``<root>/<UTC>-<id>/{run.json,trials.jsonl,samples.jsonl,…}``.

Written so that ``kill -9`` at any instant loses no finished trial: samples are synced before
their trial's record, and that record is the commit mark.  Nothing is ever overwritten but
run.json, whole, at looks and when the run is finished.  Loads neither pandas nor numpy.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from results.errors import NoSuchRun, StoreError
from results.journal import Appender, Journal, encode
from results.records import SCHEMA, Run, Sample, Trial

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
RUN_JSON_LIMIT_BYTES = 16 << 20
NAMES_SHOWN = 5


def new_run_id(now: datetime | None = None) -> str:
    """``20261124T035104Z-3fa9c1``: UTC instant, then the short id used in names on the host."""
    instant = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{instant:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def names(root: Path) -> list[str]:
    """Names of the runs in ``root``, the latest first; empty where ``root`` is not there."""
    try:
        entries = [entry.name for entry in root.iterdir() if (entry / "run.json").is_file()]
    except OSError:
        return []
    return sorted((name for name in entries if RUN_ID.fullmatch(name)), reverse=True)


def latest(root: Path) -> RunDirectory:
    """Open the run begun last.

    Raises:
        NoSuchRun: there is none.
    """
    found = names(root)
    if not found:
        raise NoSuchRun(f"no run in {root}", "make one with “invoke bench”")
    return RunDirectory.open(found[0], root)


class RunDirectory:
    """One run's files.  Reading takes no lock; the first ``append`` locks them for writing."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self._run = run
        self._writers: tuple[Appender, Appender] | None = None
        self._attempts: dict[str, int] = {}

    @classmethod
    def create(cls, root: Path, run: Run) -> RunDirectory:
        """Make ``root/<run id>`` with its run.json and empty journals, all synced.

        Raises:
            StoreError: the name is taken or not a run id, or ``root`` cannot be written.
        """
        if not RUN_ID.fullmatch(run.run_id):
            raise StoreError(f"{run.run_id!r} is not a run id like {new_run_id()}")
        path = root / run.run_id
        try:
            root.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            for name in ("samples.jsonl", "trials.jsonl"):
                (path / name).touch()
            _write_run(path / "run.json", run)
            _sync_directory(root)
        except FileExistsError:
            raise StoreError(f"{path} exists", "a run is never overwritten") from None
        except OSError as error:
            raise StoreError(
                f"{path}: {error.strerror}", "choose a writable directory with --out"
            ) from None
        return cls(path, run)

    @classmethod
    def open(cls, path_or_name: str | Path, root: Path) -> RunDirectory:
        """Open a run by its directory, its name in ``root``, or its short id.

        Raises:
            NoSuchRun: there is none of that name; the latest are listed.
            StoreError: its schema is newer than ours, or run.json is damaged.
        """
        path = _locate(path_or_name, root)
        return cls(path, _read_run(path / "run.json"))

    def run(self) -> Run:
        """Return what run.json says."""
        return self._run

    def trials(self) -> tuple[Trial, ...]:
        """Every recorded trial, in the order of their ends.

        Raises:
            StoreError: naming ``file:line`` of a line that is damaged, of another run, or that
                records an attempt a second time.
        """
        journal = Journal(self.path / "trials.jsonl", Trial)
        trials: dict[tuple[str, int], Trial] = {}
        for number, trial in journal.numbered():
            key = (trial.trial_id, trial.attempt)
            if trial.run_id != self._run.run_id:
                raise journal.fault(number, f"belongs to the run {trial.run_id!r}")
            if key in trials:
                raise journal.fault(number, f"records {trial.trial_id!r} a second time")
            if trial.attempt < 1 or trial.block < 0:
                raise journal.fault(number, "attempt and block cannot be negative")
            trials[key] = trial
        return tuple(trials.values())

    def samples(self) -> Iterator[Sample]:
        """Every sample whose trial is recorded, in order; the rest does not count.

        An iterator, since a run may hold a million.  Raises as ``trials``, and for a value that
        is not finite.
        """
        recorded = {(trial.trial_id, trial.attempt) for trial in self.trials()}
        for sample in self._all_samples():
            if (sample.trial_id, sample.attempt) in recorded:
                yield sample

    def next_attempt(self, trial_id: str) -> int:
        """Return the next attempt's number for ``trial_id``: above any that left samples behind."""
        self._open_for_writing()
        return self._attempts.get(trial_id, 0) + 1

    def append(self, trial: Trial, samples: Sequence[Sample]) -> None:
        """Record a trial: samples first, synced, then the trial itself, synced.

        Raises:
            StoreError: they do not belong together or to this run, a value is not finite, the
                attempt is already there, or the disk failed.
        """
        self.extend([(trial, samples)])

    def extend(self, records: Sequence[tuple[Trial, Sequence[Sample]]]) -> None:
        """Record trials that are all there already, synced once: all samples, then all trials.

        Raises as ``append``.
        """
        sample_lines: list[bytes] = []
        for trial, samples in records:
            self._check(trial, samples)
            sample_lines += map(encode, samples)
        trial_lines = [encode(trial) for trial, _ in records]
        sample_file, trial_file = self._open_for_writing()
        attempts = dict(self._attempts)
        for trial, _ in records:
            if trial.attempt <= attempts.get(trial.trial_id, 0):
                raise StoreError(f"{trial.trial_id}: attempt {trial.attempt} is already recorded")
            attempts[trial.trial_id] = trial.attempt
        if sample_lines:
            sample_file.append(sample_lines)
            self._attempts |= {t.trial_id: t.attempt for t, samples in records if samples}
        trial_file.append(trial_lines)
        self._attempts = attempts

    def finish(self, run: Run) -> None:
        """Replace run.json, atomically, by ``run`` as it is now.

        Raises:
            StoreError: it is another run, or cannot be written.
        """
        if run.run_id != self._run.run_id:
            raise StoreError(f"{run.run_id} cannot finish {self._run.run_id}")
        try:
            _write_run(self.path / "run.json", run)
        except OSError as error:
            raise StoreError(f"{self.path}/run.json: {error.strerror}") from None
        self._run = run

    def close(self) -> None:
        """Release the lock for writing.  Idempotent."""
        for writer in self._writers or ():
            writer.close()
        self._writers = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self, trial: Trial, samples: Sequence[Sample]) -> None:
        if trial.run_id != self._run.run_id:
            raise StoreError(f"{trial.trial_id} belongs to the run {trial.run_id}")
        for sample in samples:
            mine = (sample.run_id, sample.trial_id, sample.attempt)
            if mine != (trial.run_id, trial.trial_id, trial.attempt):
                raise StoreError(f"a sample of {sample.trial_id} came with {trial.trial_id}")
            if not math.isfinite(sample.value):
                raise StoreError(f"{sample.trial_id}: {sample.metric} is {sample.value}")

    def _all_samples(self) -> Iterator[Sample]:
        journal = Journal(self.path / "samples.jsonl", Sample)
        for number, sample in journal.numbered():
            if sample.run_id != self._run.run_id:
                raise journal.fault(number, f"belongs to the run {sample.run_id!r}")
            if not math.isfinite(sample.value):
                raise journal.fault(number, f"{sample.metric} is not a finite number")
            yield sample

    def _open_for_writing(self) -> tuple[Appender, Appender]:
        if self._writers is None:
            with contextlib.ExitStack() as undo:
                samples = Appender(self.path / "samples.jsonl")
                undo.callback(samples.close)
                trials = Appender(self.path / "trials.jsonl")
                undo.callback(trials.close)
                attempts: dict[str, int] = {}
                marks = itertools.chain(
                    ((trial.trial_id, trial.attempt) for trial in self.trials()),
                    ((sample.trial_id, sample.attempt) for sample in self._all_samples()),
                )
                for trial_id, attempt in marks:
                    attempts[trial_id] = max(attempts.get(trial_id, 0), attempt)
                undo.pop_all()
            self._attempts, self._writers = attempts, (samples, trials)
        return self._writers


def _locate(path_or_name: str | Path, root: Path) -> Path:
    name = str(path_or_name)
    shown = names(root)
    if "\0" not in name and len(name) < 4096:
        matches = [known for known in shown if name in (known, known.partition("-")[2])]
        if matches:
            return root / matches[0]
        with contextlib.suppress(OSError):  # a name too long for a file, no permission …
            if (Path(name) / "run.json").is_file():
                return Path(name)
    latest_names = ", ".join(shown[:NAMES_SHOWN]) or "none yet; make one with “invoke bench”"
    raise NoSuchRun(f"no run {name[:100]!r} in {root}", f"the latest runs there: {latest_names}")


def _read_run(path: Path) -> Run:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= RUN_JSON_LIMIT_BYTES else b""
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    hint = "restore it from a copy; the trials beside it are untouched"
    if not data:
        raise StoreError(f"{path}: {'empty' if size == 0 else 'longer than 16 MiB'}", hint)
    try:
        schema = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).get("schema")
        if schema is not None and msgspec.json.decode(schema, type=int) > SCHEMA:
            raise StoreError(
                f"{path}: schema {bytes(schema).decode()} is newer than ours ({SCHEMA})",
                "read it with the version of tarebench that wrote it, or a later one",
            )
        return msgspec.json.decode(data, type=Run)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: not a valid run: {error}", hint) from None
    except RecursionError:
        raise StoreError(f"{path}: nested too deeply", hint) from None


def _write_run(path: Path, run: Run) -> None:
    data = msgspec.json.format(encode(run), indent=2)
    temporary = path.with_suffix(".json.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
