"""From a domain's XML to a QEMU that waits for its first instruction."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import libvirt
import libvirt_qemu

from runtimes.agent.channel import FdStream
from runtimes.faults import RuntimeFault
from runtimes.kvm.connection import Connection
from runtimes.kvm.faults import translated
from runtimes.kvm.guest import pidfile_watch
from runtimes.kvm.guest.files import tail
from runtimes.kvm.guest.hypervisor import Hypervisor, adopting
from runtimes.kvm.guest.timeline import Timeline
from runtimes.kvm.guest.watchdog import watchdog
from runtimes.linux import netns
from runtimes.linux.cgroups import Group

CONNECT_S = 5.0
CREATE_S = 60.0
"""Longest that libvirt may take to start QEMU, or to give up."""


@dataclass(slots=True)
class _Creation:
    """One call of libvirt that cannot be interrupted, and its undoing."""

    link: libvirt.virConnect
    name: str
    xml: str
    domain: libvirt.virDomain | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> libvirt.virDomain:
        """Create the domain, paused; QEMU becomes this process's child."""
        try:
            with translated(f"start {self.name}"), adopting():
                self.domain = self.link.createXML(self.xml, libvirt.VIR_DOMAIN_START_PAUSED)
            return self.domain
        finally:
            self.over.set()

    def undo(self) -> None:
        """Wait for the call to end and destroy what it made."""
        if self.over.wait(CREATE_S) and self.domain is not None:
            with contextlib.suppress(libvirt.libvirtError):
                self.domain.destroy()


def create(
    connection: Connection, network: Path, name: str, xml: str, timeline: Timeline
) -> tuple[libvirt.virDomain, Hypervisor]:
    """The domain, paused; in a thread inside ``network``: QEMU and its tap are born there.

    Raises:
        RuntimeFault: libvirt or QEMU refuses.
    """
    creation = _Creation(connection.link, name, xml)
    with pidfile_watch.awaited(connection.pid_directory, name, timeline) as watched:
        try:
            with watchdog(lambda: watched.hypervisor, f"start {name}"):
                domain = netns.inside(network, creation.run)
        except RuntimeFault as fault:
            log = tail(connection.log_directory / f"{name}.log")
            raise RuntimeFault(str(fault), hint=fault.hint, tail=fault.tail or log) from None
        except BaseException:  # Ctrl-C while we waited: the thread goes on by itself
            creation.undo()
            raise
    if watched.hypervisor is None:
        creation.undo()
        raise RuntimeFault(f"libvirt left no process id of {name}")
    return domain, watched.hypervisor


def dial(path: Path) -> FdStream:
    """Connect to the agent's port: QEMU listens before its guest runs, so nothing is lost.

    Raises:
        RuntimeFault: nobody listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(CONNECT_S)
        try:
            client.connect(str(path))
        except OSError as error:
            raise RuntimeFault(f"cannot connect to the guest's channel {path}: {error}") from None
        descriptor = client.detach()
    return FdStream(descriptor, descriptor)


def confine(group: Group, pids: Iterable[int]) -> None:
    """Put processes under the box's limits; their threads stay where libvirt pinned them.

    Before Linux 6.2 a thread that joins a cpuset forgets its own affinity for the set's.

    Raises:
        RuntimeFault: the cgroup refuses.
    """
    for pid in pids:
        pinned = _affinities(pid)
        group.add(pid)
        for thread, cpus in pinned.items():
            with contextlib.suppress(OSError):  # it has ended
                os.sched_setaffinity(thread, cpus)


def _affinities(pid: int) -> dict[int, set[int]]:
    """Thread → CPUs that it wants to be on."""
    found: dict[int, set[int]] = {}
    with contextlib.suppress(OSError):  # gone: joining the cgroup says so
        for entry in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = os.sched_getaffinity(int(entry.name))
    return found


def confirm_acceleration(domain: libvirt.virDomain, *, proved: bool) -> None:
    """Ask QEMU itself whether KVM is on: what was proved must be what runs.

    Raises:
        RuntimeFault: it is not.
    """
    with translated("ask QEMU whether KVM is on"):
        answer = libvirt_qemu.qemuMonitorCommand(domain, '{"execute": "query-kvm"}', 0)
    enabled = bool(json.loads(answer).get("return", {}).get("enabled"))
    if enabled != proved:
        state = "on" if enabled else "off"
        raise RuntimeFault(f"KVM is {state} in QEMU, against what the probe showed")
