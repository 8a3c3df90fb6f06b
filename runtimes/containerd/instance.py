"""One container of containerd."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtimes.agent.channel import Agent
from runtimes.base import InstanceSpec
from runtimes.launcher.instance import KILL_S, disk_bytes
from runtimes.linux.cgroups import Group, stats
from runtimes.linux.disk import Spaces
from runtimes.linux.proc import readable
from runtimes.process import tail_of, tail_of_file
from runtimes.resources import InstanceStats, LimitsRead


@dataclass(slots=True)
class ContainerdInstance:
    """Implements ``runtimes.base.Instance``."""

    spec: InstanceSpec
    agent: Agent
    marks: Mapping[str, int]
    client: subprocess.Popen[bytes]
    """``ctr``, which copies the agent's stream and keeps the exit status: part of the harness, as
    a client library in it would be, and not of the box's price."""
    pidfd: int
    """Of the main process."""
    shim: int
    group: Group
    endpoint: tuple[str, int]
    state: Path
    log_fd: int
    undo: contextlib.ExitStack
    spaces: Spaces
    _status: int | None = field(default=None, init=False)
    _removed: bool = field(default=False, init=False)

    def limits(self) -> LimitsRead:
        """See Instance."""
        return replace(self.group.limits(), disk_bytes=self.spaces.layer.limit_bytes())

    def stats(self) -> InstanceStats:
        """See Instance.  The shim is outside of the box's cgroup, and part of its price."""
        helper = () if self._status is not None else (self.shim,)
        used = disk_bytes(self.state) + (self.spaces.layer.used_bytes() or 0)
        return stats(self.group, (*self.group.pids(), *helper), used)

    def address(self) -> tuple[str, int]:
        """See Instance."""
        return self.endpoint

    def diagnostics(self) -> str:
        """See Instance."""
        return tail_of(tail_of_file(self.log_fd))

    def wait(self, timeout_s: float) -> int:
        """See Instance.  The status is the client's, which is the container's."""
        if self._status is None:
            if not readable(self.pidfd, timeout_s):
                raise TimeoutError(f"{self.spec.name} is still running after {timeout_s:g} s")
            try:
                self._status = self.client.wait(KILL_S)
            except subprocess.TimeoutExpired:
                self.client.kill()
                self._status = self.client.wait()
        return self._status

    def stop(self, timeout_s: float) -> None:
        """See Instance."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)
            try:
                self.wait(timeout_s)
            except TimeoutError:
                self.group.kill(KILL_S)
                self.wait(KILL_S)
        self.group.kill(KILL_S)

    def remove(self) -> None:
        """See Instance."""
        if self._removed:
            return
        self.stop(timeout_s=0.0)
        self._removed = True
        os.close(self.pidfd)
        self.undo.close()
