"""The inner box of ``kvm:nested-docker``: what starts the daemon in a guest, and ``docker run``.

Pure.  The configuration of the container is the one that backend ``docker`` asks the Engine API for
(runtimes.docker.request), in the client's words.
"""

from __future__ import annotations

from runtimes.base import InstanceSpec
from runtimes.conventions import AGENT_PATH, BOX_PORT, CGROUP_PARENT, VOLUME_PATH
from runtimes.kvm.nested.plans import inner_limits
from runtimes.linux.cpu_list import format_cpus

CGROUPS = f"/sys/fs/cgroup/{CGROUP_PARENT}"
"""Below it, in the guest, the container's cgroup is; nothing else."""

SOCKET = "unix:///run/docker.sock"


def engine(mtu: int) -> bytes:
    """Words that start dockerd, each ended by a NUL."""
    return _words(
        "/usr/sbin/dockerd",
        f"--host={SOCKET}",
        "--exec-opt=native.cgroupdriver=cgroupfs",
        "--storage-driver=overlay2",
        f"--cgroup-parent=/{CGROUP_PARENT}",
        f"--mtu={mtu}",
    )


def container(spec: InstanceSpec, image: str) -> bytes:
    """Words that run the box, its agent on the client's standard input and output.

    Args:
        spec: the instance.
        image: its name in the guest's daemon.
    """
    limits = inner_limits(spec.limits)
    mount = f"--mount=type=bind,source={VOLUME_PATH},target={VOLUME_PATH}"
    return _words(
        "/usr/bin/docker",
        f"--host={SOCKET}",
        *("run", "--rm", "--interactive", "--pull=never", "--log-driver=none"),
        f"--name={spec.name}",
        f"--hostname={spec.name}",
        f"--cpuset-cpus={format_cpus(limits.cpus)}",
        f"--cpus={limits.cpu_quota:g}",
        f"--memory={limits.memory_bytes}",
        f"--memory-swap={limits.memory_bytes}",
        f"--pids-limit={limits.pids_max}",
        f"--publish={BOX_PORT}:{BOX_PORT}/tcp",
        *([mount] if spec.volume else []),
        f"--entrypoint={AGENT_PATH}",
        image,
    )


def _words(*words: str) -> bytes:
    return b"".join(word.encode() + b"\0" for word in words)
