"""Tasks that write a run: its report again, or a whole run from somebody else's figures."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke.context import Context as Invocation
from invoke.exceptions import Exit
from invoke.tasks import task

from harness.cli import option_values as values
from harness.cli.edge import RUN_HELP, admit, announce, edge, names, opened
from harness.directories import places
from harness.plan import claims as own_claims
from harness.run.bench import write_report
from harness.terminal.terminal import say
from results.importers import Options, import_files
from results.importers.request import renames, sources
from results.ledger.claims.vocabulary import widened


@task(help={**RUN_HELP, "claims": "TOML file with claims of your own, kept with the run"})
@edge
def report(
    _: Invocation, run: str | None = None, out: str | None = None, claims: str | None = None
) -> None:
    """Write report.html of a run again."""
    directory = opened(run, out)
    known = widened(names(), directory.run())
    own_claims.keep(own_claims.checked(claims, known), directory.path)
    _write(directory.path)
    admit(directory.contents().told())


@task(
    name="import",
    positional=["file"],
    iterable=["map"],
    help={
        "file": "FILE, or ARM=FILE where it does not say whose figures it holds; several by commas",
        "arm": "whose figures a plain FILE holds",
        "map": "NAME=ARM: what the file calls NAME is this arm; may be given several times",
        "arm-param": "parameter of hyperfine or pytest-benchmark whose value is the arm",
        "workload": "name of the workload, e.g. cpu.linpack: the ledger knows it by its first word",
        "primary": "metric that stands for its workload; default the first",
        "baseline": "arm to compare with, called native from here on; none: there is none",
        "rounds": "pytest-benchmark: count rounds as iterations (default) or as trials",
        "out": "directory for results; default results/runs",
    },
)
@edge
def import_(  # noqa: PLR0917  # invoke passes options by name
    _: Invocation,
    file: str,
    arm: str = "",
    map: list[str] | None = None,  # noqa: A002  # the option's name
    arm_param: str = "",
    workload: str = "",
    primary: str = "",
    baseline: str = "",
    rounds: str = "iterations",
    out: str | None = None,
) -> None:
    """Make a run from somebody else's numbers: tidy CSV, pytest-benchmark, hyperfine, pyperf."""
    options = Options(
        renames=renames(map or ()),
        arm_param=arm_param,
        workload=workload,
        primary=primary,
        baseline=baseline,
        rounds_are_trials=values.chosen("--rounds", rounds, ("iterations", "trials")) == "trials",
    )
    command = ("invoke", *sys.argv[1:])
    imported = import_files(sources(file, arm), options, places(out).runs, command)
    say(imported.summary)
    for note in imported.run.notes:
        say(f"  {note}")
    say(f"run: {imported.run.run_id}")
    _write(imported.directory)


def _write(run: Path) -> None:
    """Write the report and name it; with a part of it missing, the task ends with 1."""
    report = write_report(run)
    announce(report.page, report.missing)
    if report.missing:
        raise Exit(code=1)
