"""One container, from the host's point of view."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtimes.agent.channel import Agent
from runtimes.base import InstanceSpec
from runtimes.docker import api, cgroup, disk
from runtimes.docker.attach import AttachStream
from runtimes.docker.daemon import Daemon
from runtimes.docker.request import Place, published_port
from runtimes.docker.starting import Starting
from runtimes.faults import RuntimeFault
from runtimes.linux import proc
from runtimes.linux.cgroups import Group, stats
from runtimes.linux.disk import NO_LIMIT, Spaces
from runtimes.resources import InstanceStats, LimitsRead

_GONE_S = 30.0
"""How long a container's end may take to be seen after the daemon said so, or after SIGKILL."""


@dataclass(slots=True)
class DockerInstance:
    """A container with the agent as its main process."""

    spec: InstanceSpec
    client: api.Client
    daemon: Daemon
    place: Place
    data_root: Path
    identifier: str
    stream: AttachStream
    starting: Starting
    agent: Agent
    marks: Mapping[str, int]
    """``created``, ``attached``; ``started`` comes when the daemon answers, which may be after
    the first byte."""
    spaces: Spaces = NO_LIMIT
    """What limits its layer and its volume."""
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """What is undone once it is removed."""
    _pid: int = 0
    _pidfd: int = -1
    _shim_pidfd: int = -1
    _bridge_address: str = ""
    _removed: bool = field(default=False)

    def limits(self) -> LimitsRead:
        """From the container's cgroup files."""
        return replace(self._group().limits(), disk_bytes=self.spaces.layer.limit_bytes())

    def stats(self) -> InstanceStats:
        """Its processes, its shim and its port proxies; its cgroup; its layers."""
        group = self._group()
        shims = proc.matching(lambda argv: is_shim(argv, self.identifier))
        layers = disk.container_bytes(self.identifier, self._pid, self.data_root)
        return stats(
            group,
            sorted({*group.pids(), *shims, *self._proxies()}),
            layers + (self.spaces.layer.used_bytes() or 0),
        )

    def address(self) -> tuple[str, int]:
        """Where the daemon publishes its port, as the peer sees it."""
        return self.place.address, published_port(self.spec)

    def diagnostics(self) -> str:
        """State, standard error and the daemon's log."""
        parts = []
        try:
            state = api.field(self._inspect(), "State")
            shown = ("Status", "ExitCode", "OOMKilled", "Error")
            parts.append(" ".join(f"{key}={api.field(state, key)}" for key in shown))
        except RuntimeFault as fault:
            parts.append(str(fault))
        stderr = self.stream.stderr_tail().strip()
        if stderr:
            parts.append(f"standard error: {stderr[-4096:]}")
        log = self.daemon.log_tail()
        if log:
            parts.append(f"end of dockerd's log:\n{log}")
        return "\n".join(parts)

    def wait(self, timeout_s: float) -> int:
        """Wait by pidfd, then ask the daemon for the status."""
        deadline_s = time.monotonic() + timeout_s
        self._identify()
        if self._pidfd >= 0 and not proc.ended(self._pidfd, timeout_s):
            raise TimeoutError(f"{self.spec.name} still runs after {timeout_s:g} s")
        left_s = max(1.0, deadline_s - time.monotonic())
        with api.speaking(f"wait for {self.spec.name}", self.daemon.log_tail):
            answer = self.client.wait(self.identifier, timeout=left_s)
        return api.number(answer, "StatusCode")

    def stop(self, timeout_s: float) -> None:
        """``docker stop``; the container is killed from here when the daemon cannot."""
        with contextlib.suppress(RuntimeFault):
            self._identify()
        try:
            with api.speaking(f"stop {self.spec.name}", self.daemon.log_tail):
                self.client.stop(self.identifier, timeout=math.ceil(timeout_s))
        except RuntimeFault as fault:
            if not api.is_missing(fault) and self._pidfd < 0:
                raise
            self._kill()
        if self._pidfd >= 0 and not proc.ended(self._pidfd, _GONE_S):
            raise RuntimeFault(
                f"{self.spec.name}: process {self._pid} is still there after docker stop",
                hint="a process in uninterruptible sleep?  See dmesg",
            )

    def remove(self) -> None:
        """``docker rm --force --volumes``, and everything held here."""
        if self._removed:
            return
        self.starting.close()
        self.stream.close()
        try:
            with api.speaking(f"remove {self.spec.name}", self.daemon.log_tail):
                self.client.remove_container(self.identifier, v=True, force=True)
        except RuntimeFault as fault:
            self._forgive(fault)
        self._await_end()
        self._let_go()
        self.held.close()
        self._removed = True

    def _forgive(self, fault: RuntimeFault) -> None:
        """A private daemon that died takes its containers along when it is swept."""
        if api.is_missing(fault) or (self.daemon.private and not api.is_refusal(fault)):
            self._kill()
            return
        raise fault

    def _kill(self) -> None:
        if self._pidfd >= 0:
            proc.send(self._pidfd, signal.SIGKILL)
            proc.ended(self._pidfd, _GONE_S)

    def _inspect(self) -> object:
        with api.speaking(f"inspect {self.spec.name}", self.daemon.log_tail):
            return self.client.inspect_container(self.identifier)

    def _identify(self) -> int:
        """Pid of the main process on this host, with a pidfd held; 0 when it has ended."""
        self.starting.join()
        if self._pid == 0:
            inspected = self._inspect()
            pid = api.number(inspected, "State", "Pid")
            pidfd = proc.open_pid(pid) if pid > 1 else None
            if pidfd is None:
                return 0
            self._pid, self._pidfd = pid, pidfd
            self._check_ours()
            networks = ("NetworkSettings", "Networks", "bridge", "IPAddress")
            self._bridge_address = api.text(inspected, *networks)
            shim = proc.parent(pid)
            if is_shim(proc.arguments(shim), self.identifier):
                self._shim_pidfd = proc.open_pid(shim) or -1
        return self._pid

    def _check_ours(self) -> None:
        """The daemon's word for a pid is not enough to read limits from it, or to kill it."""
        paths = cgroup.paths_of(self._pid).values()
        if paths and not any(self.identifier in path for path in paths):
            pid = self._pid
            self._let_go()
            raise RuntimeFault(
                f"{self.spec.name}: process {pid} on this host is not the container's",
                hint="does the daemon run on another host or in another pid namespace?",
            )

    def _let_go(self) -> None:
        for pidfd in (self._pidfd, self._shim_pidfd):
            if pidfd >= 0:
                os.close(pidfd)
        self._pid, self._pidfd, self._shim_pidfd = 0, -1, -1

    def _group(self) -> Group:
        pid = self._identify()
        group = cgroup.group(cgroup.paths_of(pid), self.spec.name) if pid else None
        if group is None:
            raise RuntimeFault(f"{self.spec.name} has ended", tail=self.diagnostics())
        return group

    def _proxies(self) -> tuple[int, ...]:
        """Its port proxies: children of its dockerd.

        Another dockerd, in another network namespace, may have a box of the same address.
        """
        return tuple(
            pid
            for pid in proc.children(self.daemon.dockerd_pid())
            if is_proxy(proc.arguments(pid), self._bridge_address)
        )

    def _await_end(self) -> None:
        """Wait for what may outlive Docker's answer: main process, shim and port proxies."""
        for pidfd in (self._pidfd, self._shim_pidfd):
            if pidfd >= 0:
                proc.ended(pidfd, _GONE_S)
        for pid in self._proxies() if self._bridge_address else ():
            proxy = proc.open_pid(pid)
            if proxy is not None:
                if is_proxy(proc.arguments(pid), self._bridge_address):
                    proc.ended(proxy, _GONE_S)
                os.close(proxy)


def is_shim(argv: proc.Arguments, identifier: str) -> bool:
    """Whether a command line is the shim of this container."""
    return proc.program(argv).startswith("containerd-shim") and (
        proc.option(argv, "-id") == identifier
    )


def is_proxy(argv: proc.Arguments, address: str) -> bool:
    """Whether a command line is a port proxy to this address."""
    return (
        proc.program(argv) == "docker-proxy"
        and bool(address)
        and proc.option(argv, "-container-ip") == address
    )
