"""One container made by an OCI runtime, with the shim beside it."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtimes import process
from runtimes.agent.channel import Agent
from runtimes.base import InstanceSpec
from runtimes.faults import RuntimeFault
from runtimes.launcher.child import ChildProcess
from runtimes.launcher.instance import KILL_S, disk_bytes
from runtimes.linux.cgroups import Group, stats
from runtimes.linux.disk import Spaces
from runtimes.linux.proc import readable
from runtimes.process import tail_of, tail_of_file
from runtimes.resources import InstanceStats, LimitsRead

CONTROL_S = 30.0
DELETE_S = 30.0


@dataclass(slots=True)
class Control:
    """Our end of the shim's control socket."""

    channel: socket.socket
    _rest: bytes = field(default=b"", init=False)

    def told(self, wanted: str) -> int:
        """Wait for the shim to say ``wanted`` and return the number with it.

        Raises:
            RuntimeFault: it said something else, ended, or says nothing.
        """
        line = self._line()
        word, _, number = line.rpartition(" ")
        if word == wanted and number.isdigit():
            return int(number)
        what = word.removeprefix("failed ") or "shim"
        raise RuntimeFault(
            f"OCI runtime: {what} failed" + (f" with status {number}" if number else ""),
            hint="its own message is below; the bundle's config.json is beside the box's state",
        )

    def go_on(self) -> None:
        """Let the shim start the container."""
        self.channel.sendall(b"\n")

    def _line(self) -> str:
        deadline = time.monotonic() + CONTROL_S
        while b"\n" not in self._rest:
            left_s = deadline - time.monotonic()
            if not readable(self.channel.fileno(), left_s):
                raise RuntimeFault(f"the shim says nothing for {CONTROL_S:g} s")
            piece = self.channel.recv(4096)
            if not piece or len(self._rest) > 65536:
                return ""
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("ascii", "replace")


@dataclass(slots=True)
class OciInstance:
    """Implements ``runtimes.base.Instance``."""

    spec: InstanceSpec
    agent: Agent
    marks: Mapping[str, int]
    shim: ChildProcess
    group: Group
    endpoint: tuple[str, int]
    state: Path
    control: Control
    """To the shim; when it ends, by whatever end of ours, the container does."""
    log_fd: int
    undo: contextlib.ExitStack
    """What is to be removed, in reverse of how it came to be."""
    spaces: Spaces
    _removed: bool = field(default=False, init=False)

    def limits(self) -> LimitsRead:
        """See Instance."""
        return replace(self.group.limits(), disk_bytes=self.spaces.layer.limit_bytes())

    def stats(self) -> InstanceStats:
        """See Instance.  The shim is outside of the box's cgroup, and part of its price."""
        helper = () if self.shim.ended() else (self.shim.pid,)
        used = disk_bytes(self.state) + (self.spaces.layer.used_bytes() or 0)
        return stats(self.group, (*self.group.pids(), *helper), used)

    def address(self) -> tuple[str, int]:
        """See Instance."""
        return self.endpoint

    def diagnostics(self) -> str:
        """See Instance."""
        return tail_of(tail_of_file(self.log_fd))

    def wait(self, timeout_s: float) -> int:
        """See Instance."""
        return self.shim.wait(timeout_s)

    def stop(self, timeout_s: float) -> None:
        """See Instance.  The shim passes SIGTERM on; its end is the container's."""
        if not self.shim.ended():
            self.shim.signal(signal.SIGTERM)
            try:
                self.shim.wait(timeout_s)
            except TimeoutError:
                self.group.kill(KILL_S)
                self.shim.wait(KILL_S)
        self.group.kill(KILL_S)

    def remove(self) -> None:
        """See Instance."""
        if self._removed:
            return
        self.stop(timeout_s=0.0)
        self._removed = True
        self.undo.close()


def delete(runtime: Path, root: Path, name: str) -> None:
    """The runtime's own removal: its state and the container's cgroups.  Idempotent.

    Raises:
        CommandFailed: it refuses.
    """
    if (root / name).exists():
        process.run(
            [str(runtime), "--root", str(root), "delete", "--force", name], timeout_s=DELETE_S
        )
