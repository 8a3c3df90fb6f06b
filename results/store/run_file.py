"""run.json: read with its bounds, written whole or not at all."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from results.errors import StoreError
from results.records.bounds import SchemaNumber
from results.records.records import SCHEMA, Run
from results.store.damage import printable
from results.store.journal import encode, open_plain

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class _Header:
    """What tells whether the rest can be understood."""

    schema: SchemaNumber


def read_run(path: Path) -> Run:
    """The record in ``path``.

    Raises:
        StoreError: it is damaged, odd, or of a newer schema than ours.
    """
    hint = "restore it from a copy; the trials beside it are untouched"
    try:
        with open_plain(path) as file:
            data = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", hint) from None
    if not data or len(data) > LIMIT_BYTES:
        raise StoreError(f"{path}: {'longer than 16 MiB' if data else 'empty'}", hint)
    try:
        schema = msgspec.json.decode(data, type=_Header).schema
        if schema > SCHEMA:
            raise StoreError(
                f"{path}: schema {schema} is newer than ours ({SCHEMA})",
                "read it with the version of tarebench that wrote it, or a later one",
            )
        run = msgspec.json.decode(data, type=Run)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: not a valid run: {printable(str(error))}", hint) from None
    except RecursionError:
        raise StoreError(f"{path}: nested too deeply", hint) from None
    why = _inconsistent(run)
    if why:
        raise StoreError(f"{path}: not a valid run: {why}", hint)
    return run


def _inconsistent(run: Run) -> str:
    """What in a run's record does not hold together; empty where all does."""
    if not RUN_ID.fullmatch(run.run_id):  # names of directories and cgroups are made from it
        return f"{run.run_id!r:.80} is no run id"
    arms = [(arm.backend, arm.profile) for arm in run.arms]
    if len(set(arms)) < len(arms):
        return "an arm is named twice"
    workloads = [workload.name for workload in run.workloads]
    if len(set(workloads)) < len(workloads):
        return "a workload is named twice"
    return ""


def write_run(path: Path, run: Run) -> None:
    """Write ``run`` to ``path``, synced, whole or not at all.  Raises OSError."""
    data = msgspec.json.format(encode(run), indent=2)
    temporary = path.with_suffix(".json.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
