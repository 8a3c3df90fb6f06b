"""One running guest."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import libvirt

from runtimes.agent.channel import Agent, FdStream
from runtimes.base import InstanceSpec
from runtimes.faults import RuntimeFault
from runtimes.kvm.connection import Connection
from runtimes.kvm.faults import translated
from runtimes.kvm.guest import disks, memory
from runtimes.kvm.guest.console import ConsoleWatch
from runtimes.kvm.guest.files import allocated_bytes, tail
from runtimes.kvm.guest.hypervisor import Hypervisor
from runtimes.kvm.guest.nested_setup import GuestSetup
from runtimes.kvm.guest.timeline import Timeline
from runtimes.kvm.guest.virtiofsd import ALIAS, LOST, processes
from runtimes.kvm.host import named
from runtimes.kvm.nested import readback
from runtimes.kvm.profiles.machine import Files
from runtimes.linux.cgroups import Group, stats
from runtimes.process import TAIL_BYTES
from runtimes.resources import InstanceStats, LimitsRead

RELEASE_S = 10.0
"""How long libvirt may take to let go of a guest whose QEMU is gone."""

SAID_S = 10.0
"""How long a guest whose agent has spoken may take to say which limits its container has."""


_KERNEL = re.compile(r"tarebench-init: kernel took (\d{1,12}) us\b")


class GuestStream:
    """The agent's channel; when it ends, it says what became of the guest."""

    def __init__(self, stream: FdStream, explain: Callable[[], RuntimeFault | None]) -> None:
        self._stream = stream
        self._explain = explain

    def recv(self, size: int, timeout_s: float) -> bytes:
        """See ``channel.Stream``; raises RuntimeFault where the guest is known to have died."""
        data = self._stream.recv(size, timeout_s)
        if not data:
            fault = self._explain()
            if fault is not None:
                raise fault
        return data

    def send(self, data: bytes) -> None:
        """See runtimes.agent.channel.Stream."""
        self._stream.send(data)

    def close(self) -> None:
        """See runtimes.agent.channel.Stream."""
        self._stream.close()


@dataclass(slots=True)
class KvmInstance:
    """A guest; implements runtimes.base.Instance."""

    spec: InstanceSpec
    connection: Connection
    domain: libvirt.virDomain
    hypervisor: Hypervisor
    group: Group
    files: Files
    phases: Timeline
    console: ConsoleWatch
    endpoint: tuple[str, int]
    """Where the peer reaches its published port."""
    detach: Callable[[], None]
    """Removes what of its interface does not go with its QEMU."""
    stream: FdStream
    setup: GuestSetup
    disk: str
    """Its root's, as libvirt calls it."""
    taken_bytes: int
    """What of that cannot be written to any more when a guest begins."""
    server: Hypervisor | None = None
    """virtiofsd, where the guest's volume is shared by it."""
    agent: Agent = field(init=False)
    marks: Mapping[str, int] = field(init=False)
    """Instants of the phases, from libvirt's events and the pidfd."""
    removed: bool = field(default=False, init=False)
    _stopping: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.agent = Agent(GuestStream(self.stream, self._death))
        self.marks = self.phases.instants

    def limits(self) -> LimitsRead:
        """CPU set, quota and threads from the cgroup that QEMU is in; memory as the guest got it.

        Disk as QEMU offers it.  Of a container in the guest: the least of these and of its own,
        which init reads back.
        """
        if self.hypervisor.pid not in self.group.pids():
            raise RuntimeFault(f"QEMU of {self.spec.name} is not in its cgroup")
        enforced = self.group.limits()
        with translated(f"ask for the memory of {self.spec.name}"):
            memory_bytes = self.domain.maxMemory() * 1024
        with translated(f"ask for the disk of {self.spec.name}"):
            disk_bytes = disks.shown_bytes(self.domain, self.disk) - self.taken_bytes
        read = LimitsRead(
            enforced.cpus, enforced.cpu_quota, memory_bytes, enforced.pids_max, disk_bytes
        )
        if not self.setup.is_nested:
            return read
        self.console.complete.wait(SAID_S)
        return self.setup.limits(read, tail(self.files.console), self.spec)

    def stats(self) -> InstanceStats:
        """QEMU, its kernel threads, its virtiofsd, its cgroup and its files."""
        pid = self.hypervisor.pid
        with translated(f"ask for the memory of {self.spec.name}"):
            memory_bytes = self.domain.maxMemory() * 1024
        own = memory.shares(pid, memory_bytes)
        seen = stats(
            self.group,
            (pid, *vhost_threads(pid), *processes(self.server)),
            sum(map(allocated_bytes, self.files.own())),
        )
        return replace(seen, guest_bytes=own.guest_bytes, translation_bytes=own.translation_bytes)

    def durations_ns(self) -> Mapping[str, int]:
        """See OwnClock; nothing of a guest that has not booted, or has another init than ours."""
        found = _KERNEL.search(tail(self.files.console))
        return {"guest_kernel": int(found[1]) * 1000} if found else {}

    def address(self) -> tuple[str, int]:
        """Through the host side's NAT, or, on the wire, its own."""
        return self.endpoint

    def diagnostics(self) -> str:
        """End of the guest's console and of QEMU's log, and how its processes ended."""
        console = tail(self.files.console)
        log, servers = (
            tail(path, TAIL_BYTES // 4) for path in logs(self.connection, self.spec.name)
        )
        ends = (("QEMU", self.hypervisor), ("virtiofsd", self.server))
        ended = [f"{name} ended by {each.how}" for name, each in ends if each and each.how]
        parts = (
            ("console", console),
            ("QEMU's log", log),
            ("virtiofsd's log", servers),
            ("", "; ".join(ended)),
        )
        return "\n".join(f"{name}: {text}" if name else text for name, text in parts if text)

    def wait(self, timeout_s: float) -> int:
        """Wait for the guest to end; the agent's exit status as init told it on the console."""
        if not self.hypervisor.wait(timeout_s):
            raise TimeoutError(f"{self.spec.name} still runs after {timeout_s:g} s")
        return agent_status(tail(self.files.console))

    def stop(self, timeout_s: float) -> None:
        """Ask the agent to quit, upon which the guest powers off; else destroy it."""
        self._stopping = True
        self.agent.quit()
        if not self.hypervisor.wait(timeout_s):
            self.hypervisor.kill()

    def remove(self) -> None:
        """Destroy what runs; remove files and cgroup."""
        self._stopping = True
        self.agent.close()
        self.hypervisor.kill()
        if self.server is not None and not self.server.wait(RELEASE_S):
            self.server.kill()
        if not self.phases.released.wait(RELEASE_S):
            with contextlib.suppress(libvirt.libvirtError):
                self.domain.destroy()
        self.connection.unlisten(self.spec.name)
        self.console.close()
        remove_files(self.connection, self.files, self.spec.name)
        self.detach()
        self.group.remove()
        self.removed = True

    def _death(self) -> RuntimeFault | None:
        """Why the channel ended, if the guest is gone and nobody asked it to go."""
        if self._stopping or not self.hypervisor.wait(2.0):
            return None
        nested = readback.failure(tail(self.files.console), self.setup.plans)
        if nested is not None:
            words = f"inside the guest {self.spec.name}: {nested}"
            return RuntimeFault(words, hint=nested.hint, tail=self.diagnostics())
        lost = self.server if LOST in self.marks else None
        what, ended = ("virtiofsd", lost) if lost is not None else ("QEMU", self.hypervisor)
        hint = "killed by hand, or out of memory: see dmesg"
        if lost is not None or "guest_off" not in self.marks:
            how = ended.how or "an unknown cause"
            message = f"{what} of {self.spec.name} ended by {how} in the middle of its work"
        elif {"user_space", "restored"} & self.marks.keys():
            message = f"the guest {self.spec.name} switched itself off"
            hint = "its console, in the tail, has its last words"
        else:
            message = f"the guest {self.spec.name} ended before its user space began"
            memory_mb = self.spec.limits.memory_bytes // 10**6
            hint = f"{memory_mb} MB may be too little to boot in: give boxes more --memory"
        return RuntimeFault(message, hint=hint, tail=self.diagnostics())


def logs(connection: Connection, name: str) -> tuple[Path, Path]:
    """What libvirt keeps of a guest's QEMU, and of its virtiofsd, where it has one."""
    directory = connection.log_directory
    return directory / f"{name}.log", directory / f"{name}-{ALIAS}-virtiofsd.log"


def remove_files(connection: Connection, files: Files, name: str) -> None:
    """Remove an instance's files, libvirt's logs among them.  Idempotent."""
    ours = logs(connection, name) if connection.root else ()
    for path in (*files.own(), files.channel, *ours):
        path.unlink(missing_ok=True)


def agent_status(console: str) -> int:
    """The agent's exit status from init's last words; 1 where there are none."""
    found = re.findall(r"tarebench-init: agent exited with (-?\d{1,3})\b", console)
    return int(found[-1]) if found else 1


def vhost_threads(pid: int) -> tuple[int, ...]:
    """Kernel threads that serve this QEMU's vhost devices, called ``vhost-<pid>``.

    Since Linux 6.4 they are threads of QEMU itself and need no looking for.
    """
    return named(frozenset({f"vhost-{pid}"}))
