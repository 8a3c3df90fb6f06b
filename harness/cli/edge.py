"""What every task shares: errors rendered once, as an exit code; registered names; opened runs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec

from invoke.exceptions import Exit

from harness.directories import places
from harness.errors import HarnessFault, UsageFault
from harness.plan import claims as own_claims
from harness.run.interrupt import Interrupted
from harness.terminal.terminal import encode_json, say, stdout, tell, warn
from results.errors import StoreError
from results.ledger.claims.errors import LedgerError
from results.ledger.claims.vocabulary import Known
from results.store.store import RunDirectory, latest
from runtimes.faults import RuntimeFault
from runtimes.registry import load as load_runtimes
from workloads.base import WorkloadFault
from workloads.registry import load as load_workloads

P = ParamSpec("P")

FAULTS = (HarnessFault, RuntimeFault, WorkloadFault, StoreError, LedgerError, OSError)

RUN_HELP = {"run": "run to look at; default the latest", "out": "directory of results"}
CLAIMS_HELP = {"claims": "TOML file with claims of your own"}
HOST_HELP = {
    "libvirt-uri": "libvirt connection; default an embedded driver of our own",
    "docker-host": "Docker daemon; default the host's if it answers, else one of our own",
    "wait": "wait for another run on this host to end",
}
JSON_HELP = {"as-json": "print JSON instead of a table"}


def edge(command: Callable[P, None]) -> Callable[P, None]:
    """Render an error once, here, and turn it into an exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            _refuse_help(command.__name__, (*args, *kwargs.values()))
            command(*args, **kwargs)
        except Interrupted as interruption:
            raise Exit(code=interruption.exit_code) from None
        except FAULTS as error:
            tell(error)
            raise Exit(code=getattr(error, "exit_code", 3)) from None

    return wrapped


def _refuse_help(task: str, values: Iterable[object]) -> None:
    """invoke takes ``--help`` after a task for the task's first argument, where it has one."""
    if any(value in {"--help", "-h"} for value in values if isinstance(value, str)):
        raise UsageFault(
            "--help came after the task's name", hint=f"ask for it before: invoke --help {task}"
        )


def names() -> Known:
    """Every name that a claim may use here."""
    return own_claims.known_names(load_runtimes().runtimes, load_workloads().workloads)


def opened(run: str | None, out: str | None) -> RunDirectory:
    """The run of that name, or the latest."""
    where = places(out).runs
    return RunDirectory.open(run, where) if run else latest(where)


def announce(page: Path | None, missing: Sequence[str]) -> None:
    """Name the report, and tell what of it could not be made."""
    say(f"report: {page}" if page else "report: not written")
    for line in missing:
        warn(line)


def admit(damage: Sequence[str]) -> None:
    """Tell what is damaged in a run's files and was left out; with any, the task ends with 1."""
    for line in damage:
        warn(f"damaged, left out: {line}")
    if damage:
        raise Exit(code=1)


def options(libvirt_uri: str | None, docker_host: str | None) -> Mapping[str, str]:
    """Backend options that were given."""
    given = {"libvirt_uri": libvirt_uri, "docker_host": docker_host}
    return {name: value for name, value in given.items() if value}


def show(lines: Sequence[object], document: object, *, as_json: bool) -> None:
    """Print a result for people, or for programs."""
    if as_json:
        sys.stdout.write(encode_json(document))
    else:
        stdout.print(*lines, sep="\n")
