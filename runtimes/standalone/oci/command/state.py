"""state, list, ps, events and features: what there is, and nothing is changed."""

from __future__ import annotations

import platform
from typing import Any

from runtimes.linux import cgroups
from runtimes.ns.capabilities import NUMBERS
from runtimes.standalone.oci.command import hooks
from runtimes.standalone.oci.command.containers import VERSION, Container, Store

Json = dict[str, Any]


def status(store: Store, container: Container) -> str:
    """``creating``, ``created``, ``running``, ``paused`` or ``stopped``."""
    if not container.record.pid:
        return "creating" if store.busy(container.name) else "stopped"
    if not container.alive():
        return "stopped"
    if cgroups.detect().group_at(container.record.cgroup).frozen():
        return "paused"
    return "created" if container.waits() else "running"


def state(store: Store, container: Container) -> Json:
    """As ``state`` prints it."""
    now = status(store, container)
    pid = container.record.pid if now != "stopped" else 0
    return {**hooks.state(container.record, now, pid), "created": container.record.created}


def processes(container: Container) -> list[int]:
    """All its processes, as the host numbers them."""
    return list(cgroups.detect().group_at(container.record.cgroup).pids())


def stats(container: Container) -> Json:
    """One of the events that ``events`` prints, in runc's words."""
    used = cgroups.detect().group_at(container.record.cgroup).account()
    return {
        "type": "stats",
        "id": container.name,
        "data": {
            "cpu": {
                "usage": {
                    "total": used.cpu_ns,
                    "kernel": used.cpu_system_ns,
                    "user": used.cpu_user_ns,
                },
                "throttling": {"throttledTime": used.throttled_ns},
            },
            "memory": {"usage": {"usage": used.memory_bytes, "max": used.memory_peak_bytes}},
            "pids": {"current": used.pids},
            "blkio": {"read": used.io_read_bytes, "write": used.io_write_bytes},
        },
    }


def features() -> Json:
    """What this runtime can do, as the specification's features document has it."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                  "poststop"],
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": [f"CAP_{name}" for name in NUMBERS],
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False},
            "seccomp": {
                "enabled": True,
                "actions": [f"SCMP_ACT_{word}" for word in
                            ("ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "LOG", "TRAP")],
                "archs": {"x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
                          "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]}.get(
                    platform.machine(), []),
            },
            "apparmor": {"enabled": False},
            "selinux": {"enabled": False},
        },
    }  # fmt: skip
