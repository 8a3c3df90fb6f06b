"""The compiled agent as a process of this host, talked to over pipes."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes import process
from runtimes.agent.channel import Agent, FdStream

S = 20.0
"""Far more seconds than anything takes."""


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """An agent and the process that it is."""

    process: subprocess.Popen[bytes]
    stream: FdStream
    agent: Agent


@contextlib.contextmanager
def started_agent(
    program: Path, before: Sequence[str] = (), after: Sequence[str] = ()
) -> Iterator[AgentProcess]:
    """Run ``before + program + after`` as a greeted agent; it is gone afterwards."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    argv = [*before, str(program), *after]
    child = process.spawn(argv, stdin=theirs_in, stdout=theirs_out, env={"SECRET": "the agent's"})
    os.close(theirs_in)
    os.close(theirs_out)
    stream = FdStream(ours_in, ours_out)
    agent = Agent(stream)
    try:
        agent.hello(S)
        yield AgentProcess(child, stream, agent)
    finally:
        agent.close()
        child.wait(S)


def is_running(pid: int) -> bool:
    """Whether ``pid`` exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
