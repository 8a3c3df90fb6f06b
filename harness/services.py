"""Servers and commands of a workload, on their side of the wire."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Mapping, Sequence

from harness.errors import HarnessFault
from runtimes.agent import Agent, JobResult
from runtimes.process import tail_of
from workloads.base import Command, Service, Side

LONGEST_SERVICE_S = 3600.0
"""A server ends with its trial; this bound only catches what nobody ends."""

Sides = Mapping[Side, Agent]


def fill(argv: Sequence[str], places: Mapping[str, str]) -> list[str]:
    """``argv`` with the tokens of ``places`` replaced, as ``{box}``; other braces stay."""
    filled = []
    for word in argv:
        for token, value in places.items():
            word = word.replace("{" + token + "}", value)  # noqa: PLW2901  # successive tokens
        filled.append(word)
    return filled


@contextlib.contextmanager
def running(services: Sequence[Service], sides: Sides, places: Mapping[str, str]) -> Iterator[None]:
    """Bring services up in order; end those that stay in the foreground, last first.

    Raises:
        HarnessFault: one did not come up.
    """
    with contextlib.ExitStack() as stack:
        for service in services:
            agent = sides[service.side]
            argv = fill(service.argv, places)
            if service.ready is None:
                check(argv, agent.run(argv, timeout_s=service.timeout_s))
                continue
            job = agent.spawn(argv, timeout_s=LONGEST_SERVICE_S)
            stack.callback(job.kill, signal.SIGKILL)
            job.expect(service.ready, service.timeout_s)
        yield


def execute(command: Command, sides: Sides, places: Mapping[str, str]) -> JobResult:
    """Run one command to its end.

    Raises:
        HarnessFault: non-zero exit, time limit, or more output than anyone could mean.
    """
    argv = fill(command.argv, places)
    result = sides[command.side].run(argv, timeout_s=command.timeout_s, env=command.env)
    check(argv, result)
    return result


def check(argv: Sequence[str], result: JobResult) -> None:
    """Raise unless ``result`` is a plain success."""
    tail = tail_of(result.stdout, result.stderr)
    program = " ".join(argv)
    if result.timed_out:
        raise HarnessFault(f"{program}: outlived its time limit", tail=tail)
    if result.status < 0:
        hint = "out of memory? raise --memory" if result.status == -signal.SIGKILL else ""
        raise HarnessFault(f"{program}: killed by signal {-result.status}", hint=hint, tail=tail)
    if result.status > 0:
        raise HarnessFault(f"{program}: exit status {result.status}", tail=tail)
    if result.truncated:
        raise HarnessFault(f"{program}: wrote more output than is accepted", tail=tail)
