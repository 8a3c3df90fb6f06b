"""The main task: weigh boxes and write the report, or say what that would be."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from invoke.context import Context as Invocation
from invoke.exceptions import Exit
from invoke.tasks import task

from harness.cli import option_values as values
from harness.cli.edge import HOST_HELP, admit, announce, edge, names, options
from harness.clock import HostClock
from harness.directories import places
from harness.equipment import Equipment
from harness.errors import UsageFault
from harness.forecast import forecast, tables
from harness.plan import claims as own_claims
from harness.plan.plan import Request
from harness.plan.suites import SUITES
from harness.privacy import Nothing, redaction_of
from harness.progress.progress import TerminalObserver
from harness.run.bench import Result
from harness.run.bench import bench as make_run
from harness.run.bench import resume as go_on
from harness.terminal.terminal import say, stderr, stdout, warn
from results.gating.price import told
from results.store.store import RunDirectory
from runtimes.registry import load as load_runtimes
from workloads.registry import load as load_workloads

DEFAULT_SUITE = "quick"


@task(
    name="bench",
    help={
        "backend": "all (the default), or names such as native,ns,docker,kvm:micro or ns:wf-*",
        "workload": "all, names such as cpu.sysbench, or whole resources such as cpu,network",
        "suite": f"{', '.join(SUITES)}; default {DEFAULT_SUITE}",
        "blocks": "random blocks; default as the suite says; with --budget the most, default 100",
        "budget": "add blocks until every claim is settled, at most for this long, e.g. 10m or 2h",
        "seed": "seed of the random order; default a new one",
        "cpus": "CPUs' worth of time for each box; default half of this host's, at most 4",
        "cpuset": "the box's CPUs by number, e.g. 2-3",
        "memory": "memory limit of each box; default 512M",
        "design": "auto (default): steady work in slices, all boxes of a block up; or trials",
        "disk": "what each box may write to its root, and to its volume; default 4G where the file "
        "system has project quotas, else no limit",
        "claims": "TOML file with claims of your own, to be judged beside the built-in ones",
        "out": "directory for results; default results/runs",
        "resume": "go on with this run, which was killed or interrupted",
        "plan": "say what would run, which arms are left out and about how long; start nothing",
        "private-facts": "keep names of host and user, paths and all of the kernel's command line",
        **HOST_HELP,
    },
)
@edge
def bench(  # noqa: PLR0917  # invoke passes options by name
    _: Invocation,
    backend: str | None = None,
    workload: str | None = None,
    suite: str | None = None,
    blocks: str | None = None,
    budget: str | None = None,
    seed: str | None = None,
    cpus: str | None = None,
    cpuset: str | None = None,
    memory: str | None = None,
    design: str | None = None,
    disk: str | None = None,
    claims: str | None = None,
    out: str | None = None,
    resume: str | None = None,
    plan: bool = False,
    libvirt_uri: str | None = None,
    docker_host: str | None = None,
    wait: bool = False,
    private_facts: bool = False,
) -> None:
    """Weigh boxes: run workloads in every backend and write the report."""
    given = {
        "--backend": backend,
        "--workload": workload,
        "--suite": suite,
        "--blocks": blocks,
        "--budget": budget,
        "--seed": seed,
        "--cpus": cpus,
        "--cpuset": cpuset,
        "--memory": memory,
        "--design": design,
        "--disk": disk,
        "--claims": claims,
    }
    if resume is not None:
        _refuse([name for name, value in given.items() if value is not None])
    request = Request(
        backend=backend,
        workload=workload,
        suite=DEFAULT_SUITE if suite is None else suite,
        blocks=values.whole("--blocks", blocks),
        budget=budget,
        seed=values.whole("--seed", seed),
        cpus=cpus,
        cpuset=cpuset,
        memory=memory,
        design="auto" if design is None else design,
        disk=disk,
        options=options(libvirt_uri, docker_host),
        command=("invoke", *sys.argv[1:]),
        claims=own_claims.checked(claims, names()),
    )
    equipment = equipped(out, private_facts=private_facts)
    if plan:
        _foretell(equipment, request, resume)
    else:
        _weigh(equipment, request, resume, wait=wait)


def _refuse(given: Sequence[str]) -> None:
    if given:
        raise UsageFault(
            f"{', '.join(given)}: fixed when a run begins", hint="leave it out with --resume"
        )


def equipped(out: str | None, *, private_facts: bool = False) -> Equipment:
    """With every registered runtime and workload that can be loaded; the others are warned of."""
    runtimes, workloads = load_runtimes(), load_workloads()
    broken = {**runtimes.broken, **{each.name: each.reason for each in workloads.broken}}
    for name, why in broken.items():
        warn(f"warning: {name} is left out: {why}")
    where = places(out)
    names_kept = (*runtimes.runtimes, *workloads.workloads)
    return Equipment(
        runtimes=runtimes.runtimes,
        workloads=workloads.workloads,
        places=where,
        clock=HostClock(),
        redaction=Nothing() if private_facts else redaction_of(where, keep=names_kept),
    )


def _foretell(equipment: Equipment, request: Request, resume: str | None) -> None:
    if resume is None:
        foreseen = forecast.of_new(equipment, request)
    else:
        foreseen = forecast.of_rest(equipment, resume, request.options)
    stdout.print(*tables.shown(foreseen), sep="\n")
    admit(foreseen.damage)


def _weigh(equipment: Equipment, request: Request, resume: str | None, *, wait: bool) -> None:
    observer = TerminalObserver(stderr, equipment.clock)
    if resume is None:
        result = make_run(equipment, request, observer, wait=wait)
    else:
        result = go_on(equipment, resume, request.options, observer, wait=wait)
    _summarise(result)


def _summarise(result: Result) -> None:
    tally = result.tally
    repeats = f"; {tally.repeats} repeated a disturbed one" if tally.repeats else ""
    say(
        f"{tally.ok} trials valid, {tally.invalid} marked invalid by gates, "
        f"{tally.failed} failed{repeats}"
    )
    if caution := told(RunDirectory.open(result.directory, result.directory.parent).run().cautions):
        say(f"this host: {caution[:1].lower()}{caution[1:]}")
    say(f"data: {result.directory}")
    announce(result.report, result.missing)
    admit(result.damage)
    if tally.failed or result.missing:
        raise Exit(code=1)
