"""One box by hand."""

from __future__ import annotations

import sys

from invoke.context import Context as Invocation
from invoke.exceptions import Exit
from invoke.tasks import task

from harness.cli import option_values as values
from harness.cli.bench import equipped
from harness.cli.edge import HOST_HELP, edge, options
from harness.plan.plan import Request
from harness.progress.progress import TerminalObserver
from harness.run.one_shot import OneShot, arm_of, run_one_shot, summary, to_bring, to_fetch
from harness.terminal.terminal import pass_on, stderr, warn


@task(
    positional=["arm"],
    iterable=["bring", "fetch"],
    help={
        "arm": "kind of box, such as docker or kvm:micro",
        "run": "command for the box's shell; default none",
        "bring": "FILE:PATH, a file into the box before that; may be given again",
        "fetch": "PATH:FILE, a file out of the box after that; may be given again",
        "seconds": "time limit of the command; default 60",
        "cpus": "CPUs' worth of time for the box",
        "cpuset": "the box's CPUs by number",
        "memory": "memory limit of the box; default 512M",
        "disk": "what the box may write to its root; default as of bench",
        **HOST_HELP,
    },
)
@edge
def box(  # noqa: PLR0917  # invoke passes options by name
    _: Invocation,
    arm: str,
    bring: list[str],
    fetch: list[str],
    run: str = "true",
    seconds: str = "60",
    cpus: str | None = None,
    cpuset: str | None = None,
    memory: str | None = None,
    disk: str | None = None,
    libvirt_uri: str | None = None,
    docker_host: str | None = None,
    wait: bool = False,
) -> None:
    """Start one box as a trial does and run a command in it; its exit status is this task's."""
    one_shot = OneShot(
        arm=arm_of(arm),
        command=run,
        timeout_s=float(values.whole("--seconds", seconds)),
        bring=tuple(map(to_bring, bring)),
        fetch=tuple(map(to_fetch, fetch)),
    )
    equipment = equipped(None)
    request = Request(
        backend=arm,
        cpus=cpus,
        cpuset=cpuset,
        memory=memory,
        disk=disk,
        options=options(libvirt_uri, docker_host),
    )
    observer = TerminalObserver(stderr, equipment.clock)
    outcome = run_one_shot(equipment, request, one_shot, observer, wait=wait)
    pass_on(outcome.result.stdout, sys.stdout)
    pass_on(outcome.result.stderr, sys.stderr)
    warn(summary(one_shot, outcome))
    status = outcome.result.status
    if status:
        raise Exit(code=status if status > 0 else 128 - status)
