"""Servers and commands of a workload, on their side of the wire."""

from __future__ import annotations

import contextlib
import math
import signal
from collections.abc import Iterator, Mapping, Sequence

from harness.errors import HarnessFault
from runtimes.agent.channel import GRACE_S, Agent, Job, JobResult
from runtimes.faults import RuntimeFault
from runtimes.process import tail_of
from workloads.base import Command, Service, Side, WorkloadFault

LONGEST_SERVICE_S = 3600.0
"""A server ends with its trial; this bound only catches what nobody ends."""

LOOK_S = 5.0
"""How often to look whether servers live: seldom enough to disturb nothing."""
GLANCE_S = 0.01
LAST_WORDS_S = 0.5
"""How long to listen to a server after something went wrong; its end arrives well within."""

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
def running(
    services: Sequence[Service], sides: Sides, places: Mapping[str, str]
) -> Iterator[Sequence[Job]]:
    """Bring services up in order; end those that stay in the foreground, last first.

    Yields those that are still in the foreground.

    An error on the way, or while they are up, gets the last lines of the servers beside its own.

    Raises:
        HarnessFault: one did not come up.
    """
    up: list[Job] = []
    with contextlib.ExitStack() as stack, _witnessed(up):
        for service in services:
            agent = sides[service.side]
            argv = fill(service.argv, places)
            if service.ready is None:
                check(argv, agent.run(argv, timeout_s=service.timeout_s))
                continue
            job = agent.spawn(argv, timeout_s=LONGEST_SERVICE_S)
            stack.callback(job.kill, signal.SIGKILL)
            job.expect(service.ready, service.timeout_s)
            up.append(job)
        yield up


@contextlib.contextmanager
def _witnessed(servers: Sequence[Job]) -> Iterator[None]:
    """Let an error be seen with what the servers said, which often is why."""
    try:
        yield
    except (RuntimeFault, WorkloadFault, HarnessFault) as fault:
        with contextlib.suppress(RuntimeFault):  # the channel broke: that is the error itself
            said = [words for job in servers if (words := _last_words(job))]
            fault.tail = "\n".join([*([fault.tail] if fault.tail else []), *said])
        raise


def _last_words(server: Job) -> str:
    result = server.ended(LAST_WORDS_S)
    end = f" (it ended with status {result.status})" if result else ""
    tail = server.tail()
    return f"--- {server.name}{end}:\n{tail}" if tail or end else ""


def execute(
    command: Command, sides: Sides, places: Mapping[str, str], servers: Sequence[Job] = ()
) -> JobResult:
    """Run one command to its end, or to that of one of ``servers``.

    Raises:
        HarnessFault: non-zero exit, time limit, or more output than anyone could mean; a server
            ended.
    """
    argv = fill(command.argv, places)
    job = sides[command.side].spawn(argv, timeout_s=command.timeout_s, env=command.env)
    latest_s = command.timeout_s + GRACE_S
    result = _with_servers(job, servers, latest_s) if servers else job.wait(latest_s)
    check(argv, result)
    return result


def _with_servers(job: Job, servers: Sequence[Job], latest_s: float) -> JobResult:
    """The end of ``job``.  Some clients (redis-benchmark) wait for ever when their server died."""
    for _ in range(math.ceil(latest_s / LOOK_S)):
        result = job.ended(LOOK_S)
        if result is not None:
            return result
        for server in servers:
            end = server.ended(GLANCE_S)
            if end is not None:
                job.kill()
                raise HarnessFault(
                    f"{server.name} ended with status {end.status} while {job.name} used it",
                    hint="see its last lines",
                )
    return job.wait(GRACE_S)


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
