"""What we ask the Docker daemon for.  Pure: names, labels and the body of a create request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes.base import DEFAULT_PROFILE, InstanceSpec
from runtimes.conventions import AGENT_PATH, BOX_PORT, LABEL, VOLUME_PATH
from runtimes.faults import RuntimeFault

ROOTFS_LABEL = "io.tarebench.rootfs"
"""On our images; its value is the digest of the root filesystem that it was made from."""

REPOSITORY = "tarebench/rootfs"

HOST_NETWORK = "host-net"
NO_SECCOMP = "no-seccomp"

PROFILES: Mapping[str, str] = {
    DEFAULT_PROFILE: "default bridge with NAT and the default seccomp filter, as people get it",
    HOST_NETWORK: "the host's network namespace instead of a bridge with NAT",
    NO_SECCOMP: "without the seccomp filter",
}

PORT_SHIFT = 1000
"""Docker publishes at ``lease.port`` plus this.

The testbed itself forwards ``lease.port`` in the host side, for the boxes on its own bridge; in
the private daemon's case that is the same namespace, and the first of two forwards wins.
"""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a daemon's containers stand in the network."""

    address: str
    """Address, as the peer sees it, on which ports are published."""


def published_port(spec: InstanceSpec) -> int:
    """The port at which the peer reaches ``BOX_PORT`` of this box."""
    return BOX_PORT if spec.profile == HOST_NETWORK else spec.lease.port + PORT_SHIFT


def image_tag(digest: str) -> str:
    """Tag of the image of a root filesystem: twelve digits of its digest.

    Raises:
        RuntimeFault: not a digest.
    """
    if not _DIGEST.fullmatch(digest):
        raise RuntimeFault(f"{digest!r} is no digest of a root filesystem (sha256:…)")
    return digest.removeprefix("sha256:")[:12]


def labels(run: str) -> dict[str, str]:
    """Labels of everything that we make for ``run``."""
    return {LABEL: run}


def container_config(spec: InstanceSpec, *, run: str, image: str, place: Place) -> dict[str, Any]:
    """Body of ``POST /containers/create``.

    Memory and swap limits are equal, so that the box cannot swap; the agent is the entry
    point, its channel is standard input and output.  ``StdinOnce`` ends the agent's input with
    our connection: a container whose harness was killed ends by itself.

    Raises:
        RuntimeFault: unknown profile.
    """
    if spec.profile not in PROFILES:
        raise RuntimeFault(
            f"docker has no profile {spec.profile!r}", hint=f"it has: {', '.join(PROFILES)}"
        )
    port = f"{BOX_PORT}/tcp"
    on_host = spec.profile == HOST_NETWORK
    return {
        "Image": image,
        "Entrypoint": [AGENT_PATH],
        "Cmd": [],
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": False,
        "StopSignal": "SIGTERM",
        "Labels": labels(run),
        "ExposedPorts": {} if on_host else {port: {}},
        "HostConfig": _host_config(
            spec,
            network="host" if on_host else "bridge",
            ports={}
            if on_host
            else {port: [{"HostIp": place.address, "HostPort": str(published_port(spec))}]},
        ),
    }


def _host_config(
    spec: InstanceSpec, *, network: str, ports: Mapping[str, list[dict[str, str]]]
) -> dict[str, Any]:
    return {
        "NetworkMode": network,
        "PortBindings": dict(ports),
        "CpusetCpus": ",".join(str(cpu) for cpu in spec.limits.cpus),
        "NanoCpus": round(spec.limits.cpu_quota * 1e9),
        "Memory": spec.limits.memory_bytes,
        "MemorySwap": spec.limits.memory_bytes,
        "PidsLimit": spec.limits.pids_max,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "none"},
        "Init": False,
        "SecurityOpt": ["seccomp=unconfined"] if spec.profile == NO_SECCOMP else [],
        "Mounts": [_volume(spec.volume)] if spec.volume else [],
    }


def _volume(directory: Path) -> dict[str, str]:
    """A bind mount; unlike ``Binds``, it takes a path with a colon and makes no directory."""
    return {"Type": "bind", "Source": str(directory), "Target": VOLUME_PATH}
