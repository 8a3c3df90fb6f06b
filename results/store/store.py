"""A run's directory: ``<root>/<UTC>-<id>/{run.json,trials.jsonl,samples.jsonl,…}``.

Written so that ``kill -9`` at any instant loses no finished trial: samples are synced before
their trial's record, and that record is the commit mark.  Nothing is ever overwritten but
run.json, whole, at looks and when the run is finished.  Loads neither pandas nor numpy.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from results.errors import NoSuchRun, StoreError
from results.gating import Judged, judged, online_cpus
from results.records.records import Run, Sample, Trial
from results.store.contents import (
    SAMPLES,
    TRIALS,
    Contents,
    Key,
    counting_samples,
    read_contents,
    seal,
)
from results.store.journal import Appender, encode
from results.store.run_file import RUN_ID, read_run, sync_directory, write_run

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
        self._pending: tuple[Key, ...] = ()
        self._contents: tuple[object, Contents] | None = None
        self._judged: Judged | None = None

    @classmethod
    def create(cls, root: Path, run: Run) -> RunDirectory:
        """Make ``root/<run id>`` with its run.json and empty journals, all synced.

        Raises:
            StoreError: the name is taken or not a run id, or ``root`` cannot be written.
        """
        if not RUN_ID.fullmatch(run.run_id):
            raise StoreError(f"{run.run_id!r} is not a run id like {new_run_id()}")
        path = root / run.run_id
        run = dataclasses.replace(run, digests=True)
        try:
            root.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            for name in (SAMPLES, TRIALS):
                (path / name).touch()
            write_run(path / "run.json", run)
            sync_directory(root)
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
        return cls(path, read_run(path / "run.json"))

    def run(self) -> Run:
        """Return what run.json says."""
        return self._run

    def contents(self) -> Contents:
        """What the journals hold, checked; read again once they have changed.

        Raises:
            StoreError: a file is there and cannot be read.
        """
        state = tuple(_state(self.path / name) for name in (TRIALS, SAMPLES))
        if self._contents is None or self._contents[0] != (state, self._run):
            self._contents = (state, self._run), read_contents(self.path, self._run)
        return self._contents[1]

    def recorded(self) -> tuple[Trial, ...]:
        """Every trial that counts as recorded, as it was recorded, in the order of their ends.

        What is damaged is left out, and told by ``contents``.  Raises as it does.
        """
        return self.contents().trials

    def judged(self) -> Judged:
        """The same as the gates judge them together, with what they say of the host."""
        trials = self.recorded()
        if self._judged is None or self._judged.recorded is not trials:
            self._judged = judged(trials, online_cpus(self._run.host))
        return self._judged

    def trials(self) -> tuple[Trial, ...]:
        """Those of ``judged`` alone.  Raises as ``contents``."""
        return self.judged().trials

    def samples(self) -> Iterator[Sample]:
        """Every sample of those trials, in order.

        An iterator, since a run may hold a million.  Raises as ``contents``.
        """
        return counting_samples(self.path, self._run, self.contents())

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
        trial_lines: list[bytes] = []
        for trial, samples in records:
            self._check(trial, samples)
            lines = [encode(sample) for sample in samples]
            trial_lines.append(seal(trial, lines))
            sample_lines += lines
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
        """Replace run.json, atomically, by ``run`` as it is now; once it has ended, count it.

        Raises:
            StoreError: it is another run, or cannot be written.
        """
        if run.run_id != self._run.run_id:
            raise StoreError(f"{run.run_id} cannot finish {self._run.run_id}")
        run = self._ended(run)
        try:
            write_run(self.path / "run.json", run)
        except OSError as error:
            raise StoreError(f"{self.path}/run.json: {error.strerror}") from None
        self._run = run

    def reopen(self) -> None:
        """Say that the run goes on, where it had ended.  Raises as ``finish``."""
        if self._run.finished_utc:
            self.finish(dataclasses.replace(self._run, finished_utc=""))

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

    def _open_for_writing(self) -> tuple[Appender, Appender]:
        if self._writers is None:
            with contextlib.ExitStack() as undo:
                samples = Appender(self.path / SAMPLES)
                undo.callback(samples.close)
                trials = Appender(self.path / TRIALS)
                undo.callback(trials.close)
                there = self.contents()
                undo.pop_all()
            self._attempts, self._pending = dict(there.attempts), there.pending
            self._writers = samples, trials
        return self._writers

    def _ended(self, run: Run) -> Run:
        """``run`` with what only the journals know: how many trials there are, what was given up.

        Not counted anew where a run that has ended is merely written again.
        """
        kept = self._run
        run = dataclasses.replace(
            run, digests=kept.digests, trials=kept.trials, abandoned=kept.abandoned
        )
        if run.finished_utc in {"", kept.finished_utc}:
            return run
        there = self.contents()
        given_up = dict.fromkeys((*kept.abandoned, *self._pending, *there.pending))
        return dataclasses.replace(run, trials=there.recorded, abandoned=tuple(given_up))


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


def _state(path: Path) -> tuple[int, ...]:
    """What changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
