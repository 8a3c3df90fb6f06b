"""Fuzz what reads a run's files: damage them, or have them hold odd numbers, and read them.

Three kinds of a run are attacked: one made here, one of an older version without digests, and two
that were recorded on a shared host.  Whatever is done to them, every reader ends well or with a
fault of ours; what was not touched counts; and nothing damaged does.
"""

from __future__ import annotations

import functools
import json
import math
import random
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessFault
from harness.plan.resume import plan_of
from reports.__main__ import write as write_report
from reports.terminal import claims, compare, explain
from results.errors import StoreError
from results.frame import load, load_trials
from results.ledger.claims.errors import LedgerError
from results.ledger.claims.vocabulary import installed
from results.ledger.outcome import judge_run
from results.records.records import Sample, Trial
from results.store.contents import Key
from results.store.store import RunDirectory
from runtimes.base import Runtime
from runtimes.registry import load as load_runtimes
from tests.support import synthetic
from tests.support.fuzz import Report
from tests.support.fuzz.edits import FILES, Edit, apply, edits_of, in_words
from workloads.base import Workload
from workloads.registry import load as load_workloads

FAULTS = (StoreError, LedgerError, HarnessFault)
RECORDED = Path(__file__).parents[2] / "data" / "recorded"
ODD: tuple[Callable[[float], float], ...] = (
    lambda _: 0.0,
    lambda _: -0.0,
    lambda value: -value,
    lambda value: value * 1e-300,
    lambda value: math.copysign(1.7e308, value),
    lambda _: 5e-324,
    lambda _: 42.0,
    lambda value: value * 1e150,
)
"""What the values of a metric may be made."""


@dataclass(frozen=True, slots=True)
class Base:
    """A run to attack."""

    directory: Path
    sealed: bool
    """Its records carry digests."""


def fuzz(rng: random.Random, seconds: float, corpus: Path) -> Report:
    """See ``support.fuzz``."""
    cases = reached = 0
    findings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="tb-fuzz-") as made:
        bases = _bases(Path(made))
        for file in sorted(corpus.glob("*.json")):
            edits = [Edit(**each) for each in json.loads(file.read_text())]
            findings += [
                f"{file.name}: {why}" for why in _tried(bases[0], edits, Path(made), READERS)
            ]
        until = time.monotonic() + seconds  # making and replaying take as long as the host is busy
        while time.monotonic() < until:
            cases += 1
            base, readers = rng.choice(bases), _chosen(rng)
            if rng.random() < 0.4:
                told = list(_odd(rng.randrange(1 << 30), Path(made), readers))
                reached += 1
            else:
                edits = edits_of(rng, base.directory)
                told = list(_tried(base, edits, Path(made), readers))
                reached += all(edit.file != "run.json" for edit in edits)
            findings += [f"case {cases}: {why}" for why in told]
    return Report(cases, reached, tuple(findings))


def _bases(root: Path) -> list[Base]:
    made = synthetic.write(root / "new", blocks=6).path
    older = shutil.copytree(made, root / "older" / made.name)
    _unseal(older)
    return [
        Base(made, sealed=True),
        Base(older, sealed=False),
        *(Base(each.parent, sealed=False) for each in sorted(RECORDED.glob("*/run.json"))),
    ]


def _unseal(directory: Path) -> None:
    """As runs were before records carried digests."""
    for name, keys in (
        ("trials.jsonl", ("sample_count", "digest")),
        ("run.json", ("digests", "trials", "abandoned")),
    ):
        text = (directory / name).read_text()
        documents = text.splitlines() if name.endswith("l") else [text]
        kept = [
            {key: value for key, value in json.loads(each).items() if key not in keys}
            for each in documents
        ]
        lines = (json.dumps(each, separators=(",", ":")) + "\n" for each in kept)
        (directory / name).write_text("".join(lines))


def _tried(
    base: Base, edits: Sequence[Edit], root: Path, readers: Sequence[Reader]
) -> Iterator[str]:
    """Apply the edits to a copy and read it; what must not be."""
    with _copy(base.directory, root) as directory:
        for edit in edits:
            apply(directory / edit.file, edit)
        for why in _read(directory, readers):
            yield f"{why}; {in_words(edits)}"
        if base.sealed and all(edit.file != "run.json" for edit in edits):
            yield from (f"{why}; {in_words(edits)}" for why in _counted(base, directory))


def _counted(base: Base, directory: Path) -> Iterator[str]:
    """What was not touched counts, and nothing else does."""
    before = {_key(trial): trial for trial in RunDirectory.open(base.directory, directory).trials()}
    after = RunDirectory.open(directory, directory.parent)
    counting = {_key(trial): trial for trial in after.trials()}
    intact = _intact(base.directory, directory, before)
    if intact - counting.keys():
        yield f"intact and not counted: {sorted(intact - counting.keys())[:3]}"
    if any(before.get(key) != trial for key, trial in counting.items()):
        yield "a trial counts that was not written so"
    values = _by_trial(RunDirectory.open(base.directory, directory).samples())
    if any(values.get(key) != each for key, each in _by_trial(after.samples()).items()):
        yield "a sample counts that was not written so"
    if len(counting) < len(before) and not after.contents().damaged:
        yield "trials were lost without a word"


def _intact(base: Path, directory: Path, before: Mapping[Key, Trial]) -> set[Key]:
    """Trials whose record and samples stand there once, line by line as they were."""
    found = set(before)
    for name in FILES[1:]:
        was, now = ((each / name).read_bytes().split(b"\n") for each in (base, directory))
        count = Counter(now)
        found -= {_key_of(line) for line in was if count[line] != 1}
        found -= {_key_of(line) for line in count.keys() - set(was)}
    return found


def _key_of(line: bytes) -> Key:
    try:
        record = json.loads(line.decode("latin-1"))
        return record["trial_id"], record["attempt"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "", 0


def _key(record: Trial | Sample) -> Key:
    return record.trial_id, record.attempt


def _by_trial(samples: Iterator[Sample]) -> dict[Key, list[Sample]]:
    found: dict[Key, list[Sample]] = {}
    for sample in samples:
        found.setdefault(_key(sample), []).append(sample)
    return found


def _odd(seed: int, root: Path, readers: Sequence[Reader]) -> Iterator[str]:
    """A run whose values are odd, and whose files hold."""
    rng = random.Random(seed)
    run = synthetic.make_run(blocks=rng.choice((1, 2, 6)), seed=seed % 1000)
    chosen = {(name, shape.metric) for name, (_, shapes) in synthetic.WORKLOADS.items()
              for shape in shapes if rng.random() < 0.5}  # fmt: skip
    arms = {arm for arm in synthetic.ARMS if rng.random() < 0.6}
    change, share = rng.choice(ODD), rng.choice((1.0, 1.0, 0.3))
    place = root / "odd"
    try:
        with RunDirectory.create(place, run) as directory:
            directory.extend(
                [
                    (trial, [
                        replace(each, value=change(each.value))
                        if (each.workload, each.metric) in chosen
                        and (each.backend, each.profile) in arms and rng.random() < share
                        else each
                        for each in samples
                    ])
                    for trial, samples in synthetic.make_trials(run)
                ]
            )  # fmt: skip
            directory.finish(replace(run, finished_utc="2026-11-24T04:00:31Z"))
        for why in _read(directory.path, readers):
            yield f"{why}; odd values from seed {seed}"
        if directory.contents().damaged:
            yield f"odd values are taken for damage, from seed {seed}"
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _copy(base: Path, root: Path) -> Iterator[Path]:
    target = root / "case" / base.name
    target.mkdir(parents=True)
    try:
        for name in FILES:
            shutil.copyfile(base / name, target / name)
        yield target
    finally:
        shutil.rmtree(root / "case")


def _read(directory: Path, readers: Sequence[Reader]) -> Iterator[str]:
    """What ended otherwise than well or with a fault of ours."""
    for reader in readers:
        try:
            reader(directory)
        except FAULTS as fault:
            if not str(fault):
                yield f"{reader.__name__}: a fault without a word"
        except Exception as error:  # noqa: BLE001 — what is looked for
            where = traceback.extract_tb(error.__traceback__)[-1]
            yield f"{reader.__name__}: {error!r:.300} in {where.filename}:{where.lineno}"


def _frames(directory: Path) -> None:
    load(directory)
    load_trials(directory)


def _claims(directory: Path) -> None:
    opened = RunDirectory.open(directory, directory.parent)
    outcome = judge_run(opened)
    claims.claims_view(outcome.ledger, outcome)
    claims.claims_document(outcome.ledger, outcome)
    for each in outcome.ledger.claims[:4]:
        explain.look(opened, each.id, None, installed(opened.run()))


def _compare(directory: Path) -> None:
    sides = (f"{directory}:native", f"{directory}:ns")
    compare.look(directory.parent, sides, 0.02, "")


def _plan(directory: Path) -> None:
    opened = RunDirectory.open(directory, directory.parent)
    runtimes, workloads = _installed()
    plan_of(opened, runtimes, workloads, {}).slots(runtimes)


@functools.cache
def _installed() -> tuple[Mapping[str, Runtime], Mapping[str, Workload]]:
    return load_runtimes().runtimes, load_workloads().workloads


def _page(directory: Path) -> None:
    write_report(directory)


Reader = Callable[[Path], None]
READERS: tuple[Reader, ...] = (_frames, _plan, _compare, _claims, _page)


def _chosen(rng: random.Random) -> list[Reader]:
    """The quick ones always, one of the slow ones."""
    return [*READERS[:2], rng.choice(READERS[2:])]
