"""Tasks about this project itself: its checks, its targets, its soak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from invoke.context import Context as Invocation
from invoke.exceptions import Exit
from invoke.tasks import task

from harness.cli import option_values as values
from harness.cli import tables
from harness.cli.edge import edge
from harness.directories import PROJECT
from harness.project import checks, perf_progress
from harness.project import perf as targets
from harness.terminal.terminal import encode_json, stderr, stdout, warn
from runtimes import process


@task
@edge
def lint(_: Invocation) -> None:
    """Check style and structure: seconds."""
    if not _all_hold(checks.lint()):
        raise Exit(code=1)


@task
@edge
def fmt(_: Invocation) -> None:
    """Format the source, and mend of its style what needs no thought."""
    if not _all_hold(checks.fmt()):
        raise Exit(code=1)


@task
@edge
def types(_: Invocation) -> None:
    """Check types."""
    if not _all_hold(checks.types()):
        raise Exit(code=1)


@task(
    help={
        "only": "a part of a test's name",
        "fast": "a minute: no engines, no browser, of the unit tests those that take milliseconds",
        "all": "those too that take minutes, most of them in an emulated guest",
    }
)
@edge
def test(  # a task, not a test
    _: Invocation,
    only: str | None = None,  # noqa: PT028
    fast: bool = False,  # noqa: PT028
    all: bool = False,  # noqa: A002, PT028  # the option's name
) -> None:
    """Run every check: style, types and imports, and where these hold the tests."""
    if not _all_hold([*checks.lint(), *checks.types()]):
        warn("the tests have not run: style, imports or types do not hold")
        raise Exit(code=1)
    commands = checks.tests(only, fast=fast, exhaustive=all)
    ended = [process.inherit(each, cwd=PROJECT) for each in commands]
    if not checks.passed(ended):
        raise Exit(code=1)


@task(help={"only": "one entry by name", "json": "also write the entries to this file"})
@edge
def perf(_: Invocation, only: str | None = None, json: str | None = None) -> None:
    """Measure the project itself against its speed and size targets."""
    if json:
        values.writable("--json", Path(json))
    with perf_progress.showing(stderr) as observer:
        measurement = targets.measure(only, observer)
    stdout.print(tables.perf(measurement))
    for each in measurement.unmeasured:
        if each.output:
            warn(f"\n{each.name}:\n{each.output}")
    if json:
        Path(json).write_text(encode_json(asdict(measurement)), encoding="utf-8")
    if not measurement.met:
        raise Exit(code=1)


@task(
    help={
        "seconds": "how long in all; default 60",
        "seed": "makes the same cases again; default a new one",
        "target": "one target alone",
    }
)
@edge
def fuzz(
    _: Invocation, seconds: str = "60", seed: str | None = None, target: str | None = None
) -> None:
    """Feed images, frames, plans, journals and imports with what nobody should write."""
    command = checks.fuzz(values.whole("--seconds", seconds), values.whole("--seed", seed), target)
    status = process.inherit(command, cwd=PROJECT)
    if status:
        raise Exit(code=status)


@task(help={"cycles": "how many boxes to start and stop, one after the other"})
@edge
def soak(_: Invocation, cycles: str = "10000") -> None:
    """Start and stop many boxes, and see that nothing of them is left."""
    if process.inherit(checks.soak(values.whole("--cycles", cycles)), cwd=PROJECT) != 0:
        raise Exit(code=1)


def _all_hold(commands: Sequence[Sequence[str]]) -> bool:
    """Run each, with what it says shown; the first that fails ends it."""
    return not any(process.inherit(each, cwd=PROJECT) for each in commands)
