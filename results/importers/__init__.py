"""Make a run from somebody else's numbers.

Read are tidy CSV and the JSON of pytest-benchmark, hyperfine and pyperf.

Nothing of a file is believed before it is checked, and no run is written before all of it is.
Loads neither pandas nor numpy.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from results.importers import files
from results.importers.arms import BASELINE, assigned, baseline
from results.importers.consistency import check
from results.importers.detect import READERS, detect
from results.importers.errors import ImportFault
from results.importers.files import Source
from results.importers.make_run import Header, Made, in_words, make
from results.importers.reading import Contents, Options, Reading
from results.importers.values import tidy
from results.records.records import Run
from results.store.store import RunDirectory, new_run_id

__all__ = ["ImportFault", "Imported", "Options", "Source", "import_files", "prepare"]

FILES_TOLD = 20


@dataclass(frozen=True, slots=True)
class Imported:
    """A run that was made."""

    directory: Path
    run: Run
    summary: str
    """What it holds, in a line."""


def import_files(
    sources: Sequence[Source], options: Options, root: Path, command: Sequence[str]
) -> Imported:
    """Read the files, and write one run of all of them below ``root``, whole or not at all.

    Args:
        sources: the files.
        options: what the user says of them.
        root: where runs are.
        command: the command line that does this, for the record.

    Raises:
        ImportFault: a file, or something said of it, cannot be used.
        StoreError: the run cannot be written.
    """
    made = prepare(sources, options, command)
    directory = RunDirectory.create(root, replace(made.run, finished_utc=""))
    try:
        with directory:
            for batch in made.batches():
                directory.extend(batch)
            directory.finish(made.run)
    except BaseException:  # also Ctrl-C: half an import is of use to nobody
        shutil.rmtree(directory.path, ignore_errors=True)  # noqa: TID251  # we alone filled it
        raise
    return Imported(directory.path, made.run, in_words(made))


def prepare(sources: Sequence[Source], options: Options, command: Sequence[str]) -> Made:
    """The run that ``sources`` make, unwritten.  Raises ImportFault."""
    contents: list[tuple[Source, Contents, str]] = []
    for source in sources:
        data, digest = files.read(source.path)
        read = READERS[detect(data, source.name)]
        contents.append((source, _some(read(data, source, options), source), digest))
    readings = _together([each for _, each, _ in contents])
    arms = assigned(readings, options)
    paired = list(zip(arms, readings, strict=True))
    check(paired)
    base = baseline(arms, options.baseline)
    now = datetime.now(UTC)
    header = Header(
        run_id=new_run_id(now),
        created_utc=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        tarebench=version("tarebench"),
        command=tuple(word.encode("utf-8", "replace").decode() for word in command),
        source=_source(contents),
        host=_host([each for _, each, _ in contents]),
        notes=(),
        primary=options.primary,
    )
    made = make(header, paired, base)
    notes = (*_notes(contents, base), *_gaps(made))
    return replace(made, run=dataclasses.replace(made.run, notes=notes))


def _some(contents: Contents, source: Source) -> Contents:
    if not contents.readings:
        raise ImportFault(f"{source.name} holds no value")
    return contents


def _together(contents: Sequence[Contents]) -> list[Reading]:
    """All readings; trials of different files are different trials, whatever they are called."""
    if len(contents) == 1:
        return list(contents[0].readings)
    return [
        msgspec.structs.replace(reading, trial=f"{index}: {reading.trial}")
        if reading.trial
        else reading
        for index, each in enumerate(contents)
        for reading in each.readings
    ]


def _source(contents: Sequence[tuple[Source, Contents, str]]) -> str:
    formats = " and ".join(dict.fromkeys(each.format for _, each, _ in contents))
    digests = dict.fromkeys(f"sha256:{digest}" for _, _, digest in contents)
    return f"{formats} {', '.join(itertools.islice(digests, FILES_TOLD))}"


def _host(contents: Sequence[Contents]) -> dict[str, Any]:
    """What all files say alike; of what they say differently nothing is believed."""
    told = [each.host for each in contents if each.host]
    if not told:
        return {}
    return {
        name: value
        for name, value in told[0].items()
        if all(other.get(name) == value for other in told)
    }


def _notes(contents: Sequence[tuple[Source, Contents, str]], base: str) -> tuple[str, ...]:
    notes = [
        f"imported from {tidy(source.path.name)}, sha256 {digest}"
        for source, _, digest in contents[:FILES_TOLD]
    ]
    if len(contents) > FILES_TOLD:
        notes.append(f"and from {len(contents) - FILES_TOLD} more files")
    notes += [
        f"{tidy(source.path.name)}: {note}" for source, each, _ in contents for note in each.notes
    ]
    if base and base != BASELINE:
        notes.append(f"the baseline is called {base} there, and {BASELINE} here")
    return tuple(dict.fromkeys(notes))


def _gaps(made: Made) -> tuple[str, ...]:
    """What keeps the run from saying anything."""
    arms: dict[str, set[str]] = {}
    for trial in made.plan:
        arms.setdefault(trial.workload, set()).add(trial.arm)
    if len(made.run.arms) > 1 and all(len(each) == 1 for each in arms.values()):
        return ("no workload has two arms, so nothing can be compared; --workload names it",)
    return ()
