"""One box that the launcher started: the part that ``native`` and ``ns`` have in common."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtimes.agent.channel import Agent, FdStream
from runtimes.base import InstanceSpec
from runtimes.faults import RuntimeFault
from runtimes.launcher.child import ChildProcess
from runtimes.launcher.plan import Plan
from runtimes.launcher.program import Launcher
from runtimes.linux.cgroups import Account, Group, stats
from runtimes.linux.cgroups.without import Processes
from runtimes.linux.disk import Spaces
from runtimes.process import tail_of, tail_of_file
from runtimes.resources import InstanceStats, LimitsRead

KILL_S = 10.0
LOG_BYTES = 1 << 20
"""Most that is read of a main process's standard error."""
_BLOCK_BYTES = 512


class HeldRoot:
    """A box's root mount, kept after the box's end until the box is removed.

    The last one to let go of an overlay unmounts it, and that syncs the file system which its
    writable layer is on.  Without this it would be the box's init, at its end, and every stop
    would wait for the disk.
    """

    __slots__ = ("_fd",)

    def __init__(self) -> None:
        self._fd = -1

    def take(self, pid: int) -> None:
        """Hold the root of a process; nothing happens where it has ended."""
        with contextlib.suppress(OSError):
            self._fd = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@dataclass(slots=True)
class LaunchedInstance:
    """Implements ``runtimes.base.Instance``."""

    spec: InstanceSpec
    agent: Agent
    marks: Mapping[str, int]
    started: ChildProcess
    group: Group
    endpoint: tuple[str, int] | None
    """Where the peer reaches the box."""
    writable: Path | None
    """Directory of everything the box alone has on disk."""
    log_fd: int
    undo: contextlib.ExitStack
    """What is to be removed, in reverse of how it came to be."""
    spaces: Spaces = field(default_factory=Spaces)
    """What limits its writable layer and its volume."""
    _removed: bool = field(default=False, init=False)
    _paused: bool = field(default=False, init=False)

    def limits(self) -> LimitsRead:
        """See Instance."""
        return replace(self.group.limits(), disk_bytes=self.spaces.layer.limit_bytes())

    def stats(self) -> InstanceStats:
        """See Instance."""
        used = 0 if self.writable is None else disk_bytes(self.writable)
        return stats(self.group, self.group.pids(), used + (self.spaces.layer.used_bytes() or 0))

    def address(self) -> tuple[str, int]:
        """See Instance.

        Raises:
            RuntimeFault: the profile has no network.
        """
        if self.endpoint is None:
            raise RuntimeFault(
                f"{self.spec.name} has no address: profile {self.spec.profile} has no network",
                hint="choose another profile for a network workload",
            )
        return self.endpoint

    def diagnostics(self) -> str:
        """See Instance."""
        parts = [tail_of_file(self.log_fd)]
        with contextlib.suppress(OSError, RuntimeFault):
            if kills := self.group.oom_kills():
                parts.append(f"the kernel killed {kills} for the memory limit".encode())
        return tail_of(*parts)

    def wait(self, timeout_s: float) -> int:
        """See Instance."""
        return self.started.wait(timeout_s)

    def signal(self, number: int) -> None:
        """Send a signal to the main process (through init, which passes it on)."""
        self.started.signal(number)

    def pause(self) -> None:
        """Stop every process where it is; returns when they have stopped.

        Raises:
            RuntimeFault: the kernel cannot freeze one of them.
        """
        self.group.freeze()
        self._paused = True

    def resume(self) -> None:
        """Let every process go on."""
        self.group.thaw()
        self._paused = False

    def account(self) -> Account:
        """Everything that the kernel has accounted to the box."""
        return self.group.account()

    def logs(self) -> bytes:
        """Standard error of the main process since its start, the first ``LOG_BYTES`` of it.

        What the box says of its size is not believed: it may stretch the file to terabytes.
        """
        return os.pread(self.log_fd, LOG_BYTES, 0)

    def stop(self, timeout_s: float) -> None:
        """See Instance.  SIGTERM to the main process, SIGKILL to it and then to whoever is left."""
        if self._paused:  # the frozen hear no signal
            self.resume()
        if not self.started.ended():
            self.started.signal(signal.SIGTERM)
            try:
                self.started.wait(timeout_s)
            except TimeoutError:
                self.started.signal(signal.SIGKILL)
                self.started.wait(KILL_S)
        self.group.kill(KILL_S)

    def remove(self) -> None:
        """See Instance."""
        if self._removed:
            return
        self.stop(timeout_s=0.0)
        self._removed = True
        self.undo.close()


def start(
    launcher: Launcher,
    spec: InstanceSpec,
    plan: Plan,
    group: Group,
    *,
    undo: contextlib.ExitStack,
    endpoint: tuple[str, int] | None,
    writable: Path | None,
    pass_fds: tuple[int, ...],
    root: HeldRoot | None = None,
    spaces: Spaces | None = None,
) -> LaunchedInstance:
    """Start ``plan``, whose program is the agent, and connect to it.

    ``undo`` already removes what the plan makes on the host; on any error it is closed, with
    the processes ended first.  ``root`` is to hold the box's root mount, and is closed by it too,
    as ``spaces`` are.

    Raises:
        RuntimeFault: see Launcher.start.
    """
    try:
        log_fd = os.memfd_create(f"{spec.name}-log", os.MFD_CLOEXEC)
        undo.callback(os.close, log_fd)
        ours, theirs = socket.socketpair()
        with theirs:
            stream_fd = ours.detach()
            agent = Agent(FdStream(stream_fd, stream_fd))
            undo.callback(agent.close)
            started = launcher.start(
                plan,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=log_fd,
                pass_fds=pass_fds,
            )
            if root is not None:
                root.take(started.pid)
            if isinstance(group, Processes):
                group.lead(started.pid)
    except BaseException:
        undo.close()
        raise
    spaces = Spaces() if spaces is None else spaces
    spaces.mounted()
    return LaunchedInstance(
        spec, agent, started.marks(), started, group, endpoint, writable, log_fd, undo, spaces
    )


def tolerant(action: Callable[[], None]) -> Callable[[], None]:
    """``action`` for an undo stack: what cannot be removed must not keep the rest from going."""

    def run() -> None:
        with contextlib.suppress(OSError, RuntimeFault):
            action()

    return run


def disk_bytes(directory: Path) -> int:
    """Bytes of blocks that a tree takes; what vanishes meanwhile is not counted."""
    total = 0
    pending = [str(directory)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    total += status.st_blocks * _BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    return total
