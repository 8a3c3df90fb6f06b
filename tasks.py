"""The command line: thin invoke tasks, the only place that prints results or exits.

Exit codes: 0 done; 1 done, but some trials failed, a target was missed, a check does not hold or,
with --fail-on, something became worse; 2 something on the command line does not exist or fit;
3 this host cannot do it; 4 another run is measuring; 128 + N ended by signal N.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import ParamSpec

from invoke.context import Context as Invocation
from invoke.exceptions import Exit
from invoke.tasks import task

from harness import claims as own_claims
from harness import clean as cleaning
from harness import development, layer_store, tables
from harness import doctor as examination
from harness import option_values as values
from harness import perf as targets
from harness.bench import Result, write_report
from harness.bench import bench as make_run
from harness.bench import resume as go_on
from harness.clock import HostClock
from harness.equipment import Equipment
from harness.errors import HarnessFault, UsageFault
from harness.interrupt import Interrupted
from harness.places import PROJECT, places
from harness.plan import Request
from harness.progress import TerminalObserver
from harness.suites import SUITES
from harness.terminal import encode_json, say, stderr, stdout, tell, warn
from harness.tuning import command as tuning
from results.errors import StoreError
from results.importers import Options, import_files
from results.importers.request import renames, sources
from results.ledger.errors import LedgerError
from results.ledger.vocabulary import Known, widened
from results.store import RunDirectory, latest
from runtimes import process
from runtimes.base import RuntimeFault
from runtimes.ids import entering
from runtimes.registry import load as load_runtimes
from workloads.base import WorkloadFault
from workloads.registry import load as load_workloads

P = ParamSpec("P")

FAULTS = (HarnessFault, RuntimeFault, WorkloadFault, StoreError, LedgerError, OSError)


def edge(command: Callable[P, None]) -> Callable[P, None]:
    """Render an error once, here, and turn it into an exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except Interrupted as interruption:
            raise Exit(code=interruption.exit_code) from None
        except FAULTS as error:
            tell(error)
            raise Exit(code=getattr(error, "exit_code", 3)) from None

    return wrapped


def _equipment(out_directory: str | None) -> Equipment:
    runtimes, workloads = load_runtimes(), load_workloads()
    broken = {**runtimes.broken, **{each.name: each.reason for each in workloads.broken}}
    for name, why in broken.items():
        warn(f"warning: {name} is left out: {why}")
    return Equipment(
        runtimes=runtimes.runtimes,
        workloads=workloads.workloads,
        places=places(out_directory),
        clock=HostClock(),
    )


def _options(libvirt_uri: str | None, docker_host: str | None) -> dict[str, str]:
    given = {"libvirt_uri": libvirt_uri, "docker_host": docker_host}
    return {name: value for name, value in given.items() if value}


@task(
    name="bench",
    help={
        "backend": "all (the default), or names such as native,ns,docker,kvm:micro or ns:wf-*",
        "workload": "all, names such as cpu.sysbench, or whole resources such as cpu,network",
        "suite": f"{', '.join(SUITES)}; default quick",
        "blocks": "random blocks; default as the suite says; with --budget the most, default 100",
        "budget": "add blocks until every claim is settled, at most for this long, e.g. 10m or 2h",
        "seed": "seed of the random order; default a new one",
        "cpus": "CPUs' worth of time for each box; default half of this host's, at most 4",
        "cpuset": "the box's CPUs by number, e.g. 2-3",
        "memory": "memory limit of each box; default 512M",
        "claims": "TOML file with claims of your own, to be judged beside the built-in ones",
        "out": "directory for results; default results/runs",
        "resume": "go on with this run, which was killed or interrupted",
        "libvirt-uri": "libvirt connection; default an embedded driver of our own",
        "docker-host": "Docker daemon; default the host's if it answers, else one of our own",
        "wait": "wait for another run on this host to end",
    },
)
@edge
def bench(  # noqa: PLR0917  # invoke passes options by name
    _: Invocation,
    backend: str | None = None,
    workload: str | None = None,
    suite: str = "quick",
    blocks: int | None = None,
    budget: str | None = None,
    seed: int | None = None,
    cpus: str | None = None,
    cpuset: str | None = None,
    memory: str | None = None,
    claims: str | None = None,
    out: str | None = None,
    resume: str | None = None,
    libvirt_uri: str | None = None,
    docker_host: str | None = None,
    wait: bool = False,
) -> None:
    """Weigh boxes: run workloads in every backend and write the report."""
    equipment = _equipment(out)
    observer = TerminalObserver(stderr, equipment.clock)
    options = _options(libvirt_uri, docker_host)
    if resume and budget:
        raise UsageFault("--budget is fixed when a run begins", hint="leave it out with --resume")
    if resume:
        result = go_on(equipment, resume, options, observer, wait=wait)
    else:
        request = Request(
            backend=backend,
            workload=workload,
            suite=suite,
            blocks=values.whole("--blocks", blocks),
            budget=budget,
            seed=values.whole("--seed", seed),
            cpus=cpus,
            cpuset=cpuset,
            memory=memory,
            options=options,
            command=("invoke", *sys.argv[1:]),
            claims=own_claims.checked(claims, _names()),
        )
        result = make_run(equipment, request, observer, wait=wait)
    _summarise(result)


def _summarise(result: Result) -> None:
    tally = result.tally
    repeats = f"; {tally.repeats} repeated a disturbed one" if tally.repeats else ""
    say(
        f"{tally.ok} trials valid, {tally.invalid} marked invalid by gates, "
        f"{tally.failed} failed{repeats}"
    )
    say(f"report: {result.report}")
    if tally.failed:
        raise Exit(code=1)


def _names() -> Known:
    return own_claims.known_names(load_runtimes().runtimes, load_workloads().workloads)


RUN_HELP = {"run": "run to look at; default the latest", "out": "directory of results"}
CLAIMS_HELP = {"claims": "TOML file with claims of your own"}


def _opened(run: str | None, out: str | None) -> RunDirectory:
    where = places(out).runs
    return RunDirectory.open(run, where) if run else latest(where)


@task(help={**RUN_HELP, "claims": "TOML file with claims of your own, kept with the run"})
@edge
def report(
    _: Invocation, run: str | None = None, out: str | None = None, claims: str | None = None
) -> None:
    """Write report.html of a run again."""
    directory = _opened(run, out)
    names = widened(_names(), directory.run())
    own_claims.keep(own_claims.checked(claims, names), directory.path)
    say(f"report: {write_report(directory.path)}")


@task(help={**RUN_HELP, **CLAIMS_HELP, "as-json": "print JSON instead of a table"})
@edge
def claims(
    _: Invocation,
    run: str | None = None,
    claims: str | None = None,
    as_json: bool = False,
    out: str | None = None,
) -> None:
    """List the claim ledger, with the verdicts of a run."""
    from reports.terminal import claims as shown  # noqa: PLC0415  # pandas: not in a bench

    view = shown.look(places(out).runs, run, claims, _names())
    if as_json:
        sys.stdout.write(encode_json(view.document))
    else:
        stdout.print(*view.lines, sep="\n")


@task(
    positional=["claim"],
    help={"claim": "id of the claim", **RUN_HELP, **CLAIMS_HELP, "as-json": "print JSON"},
)
@edge
def explain(
    _: Invocation,
    claim: str,
    run: str | None = None,
    claims: str | None = None,
    as_json: bool = False,
    out: str | None = None,
) -> None:
    """Show how a verdict came about, down to the trials."""
    from reports.terminal import explain as shown  # noqa: PLC0415  # pandas: not in a bench

    view = shown.look(_opened(run, out), claim, claims, _names())
    if as_json:
        sys.stdout.write(encode_json(view.document))
    else:
        stdout.print(*view.lines, sep="\n")


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
    say(f"report: {write_report(imported.directory)}")


@task(
    positional=["a", "b"],
    help={
        "a": "before: a run (name, short id, path, latest, latest~1), or one arm of it: RUN:ARM",
        "b": "after, in the same form",
        "margin": "share that counts as no change; default 0.02",
        "only": "workloads, resources, metrics or workload/metric, apart by commas",
        "fail-on": "regression: exit with 1 where something became worse, and name it",
        "as-json": "print JSON instead of a table",
        "out": "directory of results",
    },
)
@edge
def compare(  # noqa: PLR0917  # invoke passes options by name
    _: Invocation,
    a: str,
    b: str,
    margin: str = "0.02",  # not a float: invoke would answer nonsense with a traceback
    only: str = "",
    fail_on: str = "",
    as_json: bool = False,
    out: str | None = None,
) -> None:
    """Say per metric what changed from A to B, and how sure that is."""
    from reports.terminal import compare as shown  # noqa: PLC0415  # pandas: not in a bench

    values.chosen("--fail-on", fail_on, ("", "regression"))
    view = shown.look(places(out).runs, (a, b), values.share("--margin", margin), only)
    if as_json:
        sys.stdout.write(encode_json(view.document))
    else:
        stdout.print(*view.lines, sep="\n")
    for regression in view.regressions if fail_on else ():
        warn(f"worse: {regression}")
    if fail_on and view.regressions:
        raise Exit(code=1)


@task(
    help={
        "as-json": "print JSON instead of a table",
        "tune": "set what makes measuring steadier; keep what was, for --restore",
        "restore": "put back exactly what --tune changed",
        "libvirt-uri": "libvirt connection to examine",
        "docker-host": "Docker daemon to examine",
    }
)
@edge
def doctor(
    _: Invocation,
    as_json: bool = False,
    tune: bool = False,
    restore: bool = False,
    libvirt_uri: str | None = None,
    docker_host: str | None = None,
) -> None:
    """Say for every backend and host condition: works or not, why, what to do."""
    if tune or restore:
        changes = tuning.carry_out(HostClock(), tune=tune, restore=restore)
        if as_json:
            sys.stdout.write(encode_json([asdict(each) for each in changes]))
        else:
            stdout.print(tuning.told(changes, restore=restore))
        if restore and any(each.state == "refused" for each in changes):
            raise Exit(code=1)
        return
    runtimes = load_runtimes()
    rows = examination.examine(
        runtimes.runtimes, runtimes.broken, places(), _options(libvirt_uri, docker_host)
    )
    if as_json:
        sys.stdout.write(encode_json([asdict(row) for row in rows]))
    else:
        stdout.print(tables.doctor(rows))
    if any(row.state == "missing" for row in rows):
        raise Exit(code=1)


@task(help={"cache": "also remove root filesystems, images and everything made from them"})
@edge
def clean(_: Invocation, cache: bool = False) -> None:
    """Remove everything that killed runs left on this host; living runs are left alone."""
    where = places()
    if where.state.exists() or (cache and where.cache.exists()):
        entering.enter(warn)  # a plain user's boxes have written with ids of a namespace
    removed = cleaning.clean_all(where.state, load_runtimes().runtimes)
    removed += layer_store.clean(where.cache)
    if cache:
        removed += cleaning.clean_cache(where.cache)
    for line in removed:
        say(line)
    if not removed:
        say("nothing was left")


@task(help={"only": "a part of a test's name", "fast": "no engines, no browser: unit tests only"})
@edge
def test(  # a task, not a test
    _: Invocation,
    only: str | None = None,  # noqa: PT028
    fast: bool = False,  # noqa: PT028
) -> None:
    """Run every check: types, style, imports, tests."""
    checks = development.checks(only, fast=fast)
    failed = [check for check in checks if process.inherit(check, cwd=PROJECT) != 0]
    if failed:
        raise Exit(code=1)


@task(help={"only": "one entry by name", "json": "also write the entries to this file"})
@edge
def perf(_: Invocation, only: str | None = None, json: str | None = None) -> None:
    """Measure the project itself against its speed and size targets."""
    entries = targets.measure(only)
    stdout.print(tables.perf(entries))
    if json:
        Path(json).write_text(encode_json([asdict(each) for each in entries]), encoding="utf-8")
    if not all(each.met for each in entries):
        raise Exit(code=1)


@task(help={"cycles": "how many boxes to start and stop, one after the other"})
@edge
def soak(_: Invocation, cycles: int = 10_000) -> None:
    """Start and stop many boxes, and see that nothing of them is left."""
    if process.inherit(development.soak(cycles), cwd=PROJECT) != 0:
        raise Exit(code=1)
