"""virtiofsd, which serves a shared directory to its guest: a process of the box like QEMU itself.

libvirt starts it, as a daemon, before QEMU, and leaves its number in a file beside QEMU's.  It
forks once more, into namespaces of its own, and ends with its guest.

A guest whose virtiofsd is gone never gets an answer to what it has asked of it, and no program that
waits for one can be killed.  So the guest is ended with it.
"""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

import libvirt

from runtimes.faults import RuntimeFault
from runtimes.kvm.connection import Connection
from runtimes.kvm.domain.config import MachineConfig
from runtimes.kvm.faults import translated
from runtimes.kvm.guest.hypervisor import Hypervisor
from runtimes.kvm.guest.timeline import Timeline

ALIAS = "fs0"
"""libvirt's name of a guest's first shared directory."""

LOST = "share_lost"
"""Instant in which a virtiofsd ended before its guest did."""

LEAVE_S = 1.0
"""QEMU closes its connections, upon which virtiofsd ends, a moment before it is gone itself."""


def server(
    connection: Connection,
    domain: libvirt.virDomain,
    config: MachineConfig,
    hypervisor: Hypervisor,
    marks: Timeline,
) -> Hypervisor | None:
    """The guest's virtiofsd, with which ``hypervisor`` ends; ``None`` where it has none.

    Raises:
        RuntimeFault: it should have one, and has not.
    """
    if config.share is None or config.share.sharing != "virtiofs":
        return None
    with translated(f"ask for the number of {config.name}"):
        file = connection.pid_directory / f"{domain.ID()}-{config.name}-{ALIAS}-fs.pid"
    try:
        number = int(file.read_text())
    except (OSError, ValueError):
        raise RuntimeFault(f"libvirt left no process id of {config.name}'s virtiofsd") from None
    return Hypervisor(number, partial(_end_guest, hypervisor, marks), what="virtiofsd")


def _end_guest(hypervisor: Hypervisor, marks: Timeline, at_ns: int) -> None:
    """Runs on the watcher's thread of the virtiofsd that has just ended."""
    if hypervisor.wait(LEAVE_S):
        return
    marks.set(LOST, at_ns)
    with contextlib.suppress(RuntimeFault):  # whoever removes the guest is told
        hypervisor.kill()


def processes(of: Hypervisor | None, proc: Path = Path("/proc")) -> tuple[int, ...]:
    """The server's processes: the one that libvirt started and its children; none once gone."""
    if of is None:
        return ()
    with contextlib.suppress(OSError):
        children = (proc / f"{of.pid}/task/{of.pid}/children").read_text().split()
        return (of.pid, *map(int, children))
    return ()
