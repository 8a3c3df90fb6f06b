"""Profiles of the namespace runtime: which mechanisms a box is made of."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace


class NetworkMode(enum.Enum):
    """How a box is on the network."""

    NONE = "none"
    """A network namespace with loopback only."""
    BRIDGE = "bridge"
    """veth to the testbed's bridge, NAT to the wire: Docker's default."""
    VETH = "veth"
    """veth to the testbed's host side, on no bridge: nobody to talk to."""
    ROUTED = "routed"
    """veth point to point: a route of the testbed's host side leads to it, NAT to the wire."""
    HOST = "host"
    """The testbed's host side itself."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The mechanisms of one profile.  Each can be left out."""

    summary: str
    mount: bool = True
    """Mount namespace; every profile but the waterfall's first has it."""
    user: bool = True
    """User namespace: the box's root is an ordinary, subordinate id outside."""
    pid: bool = True
    uts: bool = True
    ipc: bool = True
    cgroup: bool = True
    """cgroup namespace, and a read-only view of the box's own cgroups."""
    time: bool = False
    network: NetworkMode = NetworkMode.BRIDGE
    overlay: bool = True
    """A writable layer over the root filesystem; else that itself, read-only."""
    depth: int = 1
    """Layers that the root filesystem is parted into: see depths.py."""
    volatile: bool = False
    """overlay never syncs: an end does not wait for the disk, and fsync in the box does nothing."""
    pivot: bool = True
    """The root is pivoted to, with /proc, /sys and /dev of its own; else it is only changed to,
    with the host's."""
    controllers: frozenset[str] | None = None
    """cgroup controllers to make; ``None`` for all that the limits need."""
    masks: bool = True
    """Hidden and read-only paths of /proc and /sys."""
    capabilities: bool = True
    """Drop all but the default set; else the full set is kept."""
    no_new_privileges: bool = True
    seccomp: bool = True


DEFAULT = Profile("every namespace, overlay root, default capabilities and seccomp, bridge + NAT")

PROFILES: Mapping[str, Profile] = {
    "default": DEFAULT,
    "no-seccomp": replace(DEFAULT, summary="default without the seccomp filter", seccomp=False),
    "no-userns": replace(
        DEFAULT,
        summary="default without a user namespace: root is root, as Docker has it",
        user=False,
    ),
    "host-net": replace(
        DEFAULT,
        summary="default in the host side's network namespace",
        network=NetworkMode.HOST,
    ),
    "veth": replace(
        DEFAULT,
        summary="default with its veth pair point to point: routed, on no bridge",
        network=NetworkMode.ROUTED,
    ),
    "no-net": replace(DEFAULT, summary="default with loopback only", network=NetworkMode.NONE),
    "no-masks": replace(
        DEFAULT, summary="default with all of /proc and /sys to be seen", masks=False
    ),
    "all-caps": replace(
        DEFAULT,
        summary="default with every capability (of its user namespace)",
        capabilities=False,
    ),
    "no-cgroupns": replace(DEFAULT, summary="default in the host's cgroup namespace", cgroup=False),
    "no-utsns": replace(DEFAULT, summary="default with the host's name", uts=False),
    "no-ipcns": replace(
        DEFAULT, summary="default with the host's message queues and shared memory", ipc=False
    ),
    "no-pidns": replace(
        DEFAULT,
        summary="default among the host's processes; without a user namespace, which may show "
        "no /proc but of its own PID namespace",
        pid=False,
        user=False,
    ),
    "no-overlay": replace(
        DEFAULT, summary="default on a read-only root without a writable layer", overlay=False
    ),
    "volatile": replace(
        DEFAULT,
        summary="default with a writable layer that is never synced: faster ends, no fsync",
        volatile=True,
    ),
    "timens": replace(DEFAULT, summary="default and a time namespace", time=True),
}
