"""Capabilities by name (capabilities(7)), and the set that a container keeps by default."""

from __future__ import annotations

from collections.abc import Iterable

_NAMES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG
MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""

NUMBERS = {name: number for number, name in enumerate(_NAMES.split())}
"""Bit of each capability, in the kernel's order."""

DEFAULT = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SYS_CHROOT",
    "MKNOD",
    "AUDIT_WRITE",
    "SETFCAP",
)
"""What Docker leaves a container (https://docs.docker.com/engine/security/#linux-kernel-capabilities)."""


def mask(names: Iterable[str]) -> int:
    """One bit for each capability.

    Raises:
        KeyError: no such capability.
    """
    return sum(1 << NUMBERS[name] for name in set(names))


def kept(*, user_namespace: bool) -> int:
    """What a box keeps by default.

    Without a user namespace MKNOD goes too: it would make a node of the host's disk, and only a
    devices cgroup, which we do not set up, could forbid opening it.
    """
    return mask(DEFAULT) if user_namespace else mask(DEFAULT) & ~mask(("MKNOD",))
