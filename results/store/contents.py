"""What a run's journals hold, checked: which trials count, and what is damaged and left out.

A trial counts where its record decodes and, since records carry a digest, where record and
samples are as they were written.  What does not hold is named by file and line.  Loads neither
pandas nor numpy, and keeps no sample: a run may hold a million.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from results.errors import Missing
from results.records.records import Run, Sample, Trial
from results.store.damage import Damage, Damages
from results.store.journal import Journal, Line, encode

if TYPE_CHECKING:
    from hashlib import _Hash

TRIALS, SAMPLES = "trials.jsonl", "samples.jsonl"

SHOWN = 12
"""So much of the damage is told where people read."""

Key = tuple[str, int]
"""trial_id and attempt."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the journals hold."""

    trials: tuple[Trial, ...] = ()
    """Those that count, in the order of their ends."""
    lines: tuple[int, ...] = ()
    """Where each of them stands in trials.jsonl, from 1."""
    recorded: int = 0
    """Trials that have a record, also those that do not count."""
    unchecked: int = 0
    """Trials of an older run, whose records carry no digest: they count as they are."""
    damage: tuple[Damage, ...] = ()
    """The first of it; see ``results.store.damage.NAMED``."""
    damaged: int = 0
    """How much of it there is."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """Trial → its highest attempt that left anything behind."""
    pending: tuple[Key, ...] = ()
    """Attempts at the end of an unfinished run that have samples and, as yet, no record."""

    def told(self, most: int = SHOWN) -> tuple[str, ...]:
        """The damage in lines for people: the first of it, and how much more there is."""
        lines = [str(each) for each in self.damage[:most]]
        more = self.damaged - len(lines)
        return (*lines, f"and {more} more") if more else tuple(lines)

    @property
    def caution(self) -> str:
        """What to say of trials that nobody can check; empty where there are none."""
        if not self.unchecked:
            return ""
        its = "1 trial was" if self.unchecked == 1 else f"{self.unchecked} trials were"
        return f"the samples of {its} not checked: recorded before records carried a digest"

    @property
    def keys(self) -> frozenset[Key]:
        """The trials that count."""
        return frozenset((trial.trial_id, trial.attempt) for trial in self.trials)

    def counting_among(self, records: int) -> int:
        """How many of the first ``records`` lines of trials.jsonl are trials that count."""
        return sum(line <= records for line in self.lines)


def seal(trial: Trial, samples: Sequence[bytes]) -> bytes:
    """The line of a trial's record, with the number and the digest of its samples' lines."""
    marked = replace(trial, sample_count=len(samples), digest="")
    digest = hashlib.sha256(encode(marked))
    for line in samples:
        digest.update(line)
    return encode(replace(marked, digest=digest.hexdigest()))


def read_contents(directory: Path, run: Run) -> Contents:
    """Read and check both journals of a run.

    Raises:
        StoreError: a file is there and cannot be read.
    """
    return _Reading(directory, run).contents()


def counting_samples(directory: Path, run: Run, contents: Contents) -> Iterator[Sample]:
    """Every sample of the trials that count, in order.  Raises as ``read_contents``."""
    trials = {(trial.trial_id, trial.attempt): trial for trial in contents.trials}
    seen = _Seen(trials)
    try:
        for line in Journal(directory / SAMPLES, Sample):
            sample = line.record
            if sample is None or (sample.trial_id, sample.attempt) not in trials:
                continue
            if not seen.fault(sample, run):
                yield sample
    except Missing:
        return


@dataclass(slots=True)
class _Record:
    """One trial's record, while its samples are counted."""

    line: int
    trial: Trial
    digest: _Hash
    samples: int = 0


@dataclass(slots=True)
class _Seen:
    """What keeps a sample from being its trial's."""

    trials: Mapping[Key, Trial]
    _values: dict[Key, set[tuple[str, int]]] = field(default_factory=dict)

    def fault(self, sample: Sample, run: Run) -> str:
        """Why it does not count; empty where it does."""
        if sample.run_id != run.run_id:
            return f"belongs to the run {sample.run_id!r:.80}"
        key = (sample.trial_id, sample.attempt)
        trial = self.trials.get(key)
        if trial is None:
            return ""
        if _place(sample) != _place(trial):
            return f"its block, arm or workload is not that of {sample.trial_id!r:.80}"
        if trial.digest:
            return ""  # a value too many changes the digest
        values = self._values.setdefault(key, set())
        value = (sample.metric, sample.iteration)
        if value in values:
            return f"the value of {sample.metric!r:.80} in {sample.trial_id!r:.80} a second time"
        values.add(value)
        return ""


def _place(record: Sample | Trial) -> tuple[int, str, str, str]:
    return record.block, record.backend, record.profile, record.workload


@dataclass(slots=True)
class _Reading:
    directory: Path
    run: Run
    damages: Damages = field(default_factory=Damages)
    records: dict[Key, _Record] = field(default_factory=dict)
    orphans: dict[Key, tuple[int, int]] = field(default_factory=dict)
    """Samples without a record: the first one's line, and how many."""
    last_line: int = 0
    """Of the last sample that has a record."""

    def contents(self) -> Contents:
        self._read_trials()
        self._read_samples()
        counting = [each for each in self.records.values() if self._holds(each)]
        attempts: dict[str, int] = {}
        for trial_id, attempt in (*self.records, *self.orphans):
            attempts[trial_id] = max(attempts.get(trial_id, 0), attempt)
        pending = self._sort_orphans()
        self._count()
        return Contents(
            trials=tuple(each.trial for each in counting),
            lines=tuple(each.line for each in counting),
            recorded=len(self.records),
            unchecked=sum(not each.trial.digest for each in counting),
            damage=tuple(self.damages.named),
            damaged=self.damages.total,
            attempts=attempts,
            pending=pending,
        )

    def _read_trials(self) -> None:
        try:
            for line in Journal(self.directory / TRIALS, Trial):
                why = self._refusal(line)
                if line.record is not None and not why:
                    key = (line.record.trial_id, line.record.attempt)
                    blank = _without(line.data, line.record.digest)
                    record = _Record(line.number, line.record, hashlib.sha256(blank))
                    self.records[key] = record
                elif self._finished or not line.torn:
                    self.damages.add(f"{TRIALS}:{line.number}", why)
        except Missing:
            self.damages.add(TRIALS, "it is not there")

    def _refusal(self, line: Line[Trial]) -> str:
        """Why a line is no record of this run; empty where it is one."""
        trial = line.record
        if trial is None:
            return line.why
        if trial.run_id != self.run.run_id:
            return f"belongs to the run {trial.run_id!r:.80}"
        if (trial.trial_id, trial.attempt) in self.records:
            return f"records {trial.trial_id!r:.80} a second time"
        most = self.run.blocks * self.run.rounds.get(trial.workload, 1)
        if self.run.source == "bench" and trial.block > most:
            return f"block {trial.block}: the run has {most}"
        return ""

    def _read_samples(self) -> None:
        seen = _Seen({key: record.trial for key, record in self.records.items()})
        try:
            for line in Journal(self.directory / SAMPLES, Sample):
                why = line.why if line.record is None else seen.fault(line.record, self.run)
                if line.record is None or why:
                    if self._finished or not line.torn:
                        self.damages.add(f"{SAMPLES}:{line.number}", why)
                else:
                    self._learn(line, line.record)
        except Missing:
            self.damages.add(SAMPLES, "it is not there")

    def _learn(self, line: Line[Sample], sample: Sample) -> None:
        key = (sample.trial_id, sample.attempt)
        record = self.records.get(key)
        if record is None:
            first, count = self.orphans.get(key, (line.number, 0))
            self.orphans[key] = (first, count + 1)
            return
        record.digest.update(line.data)
        record.samples += 1
        self.last_line = line.number

    def _holds(self, record: _Record) -> bool:
        """Whether a trial's record and samples are as they were written; names it if not."""
        why = self._mismatch(record)
        if why:
            where = f"{record.trial.trial_id!r:.80} (attempt {record.trial.attempt})"
            self.damages.add(f"{TRIALS}:{record.line}", f"{where} does not count: {why}")
        return not why

    def _mismatch(self, record: _Record) -> str:
        trial, there = record.trial, record.samples
        if trial.sample_count is not None and trial.sample_count != there:
            return f"{_samples(trial.sample_count)} recorded with it, {there} there"
        if trial.digest:
            same = record.digest.hexdigest() == trial.digest
            return "" if same else "its record or its samples are not as they were written"
        if self.run.digests:
            return "its record lacks the digest"
        return "it did not fail, and none of its samples is there" if _empty(trial, there) else ""

    def _sort_orphans(self) -> tuple[Key, ...]:
        """Tell what a kill leaves from samples that lost their record; name these."""
        recorded: dict[str, int] = {}
        for trial_id, attempt in self.records:
            recorded[trial_id] = max(recorded.get(trial_id, 0), attempt)
        pending = []
        for key, (line, count) in self.orphans.items():
            if recorded.get(key[0], 0) > key[1] or key in self.run.abandoned:
                continue  # a kill left them, and the trial was repeated or given up
            if not self._finished and line > self.last_line:
                pending.append(key)
                continue
            said = f"{_samples(count)} of {key[0]!r:.80} (attempt {key[1]}) without its record"
            self.damages.add(f"{SAMPLES}:{line}", said)
        return tuple(pending)

    def _count(self) -> None:
        wanted, there = self.run.trials, len(self.records)
        if self._finished and wanted is not None and wanted != there:
            self.damages.add(TRIALS, f"run.json counts {wanted} trials, {there} are recorded")

    @property
    def _finished(self) -> bool:
        return bool(self.run.finished_utc)


def _empty(trial: Trial, samples: int) -> bool:
    return trial.status != "failed" and not samples


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count} samples"


def _without(line: bytes, digest: str) -> bytes:
    """The line as it was before its digest was put in."""
    return line.replace(f'"digest":"{digest}"'.encode(), b'"digest":""') if digest else line
