"""virtiofsd, which serves a shared directory to its guest: a process of the box like QEMU itself.

libvirt starts it, as a daemon, before QEMU, and leaves its number in a file beside QEMU's.  It
forks once more, into namespaces of its own, and ends with its guest.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import libvirt

from runtimes.base import RuntimeFault
from runtimes.kvm.config import MachineConfig
from runtimes.kvm.connection import Connection
from runtimes.kvm.faults import translated
from runtimes.kvm.hypervisor import Hypervisor

ALIAS = "fs0"
"""libvirt's name of a guest's first shared directory."""


def server(
    connection: Connection, domain: libvirt.virDomain, config: MachineConfig
) -> Hypervisor | None:
    """The guest's virtiofsd; ``None`` where it has none.

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
    return Hypervisor(number, what="virtiofsd")


def processes(of: Hypervisor | None, proc: Path = Path("/proc")) -> tuple[int, ...]:
    """The server's processes: the one that libvirt started and its children; none once gone."""
    if of is None:
        return ()
    with contextlib.suppress(OSError):
        children = (proc / f"{of.pid}/task/{of.pid}/children").read_text().split()
        return (of.pid, *map(int, children))
    return ()
