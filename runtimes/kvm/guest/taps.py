"""Guests' interfaces where libvirt does not make all of it.

A *macvtap* is on the wire to the peer itself, without bridge and NAT.  libvirt can make one, but
does part of it in threads of its own, in another network namespace than that of the testbed.  So it
is made here; libvirt only opens it (``managed='no'``).

The tap of a *daemon's* guest is born in the daemon's network namespace, the host's own.  It goes
from there to the testbed while its guest still waits for its first instruction; QEMU holds its
other end, wherever it is.  Nothing of ours stays in the host's namespace: no bridge, route or rule.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from runtimes import process
from runtimes.base import Network
from runtimes.faults import RuntimeFault
from runtimes.kvm.domain.config import Nic

TIMEOUT_S = 20.0
DEVICES = Path("/dev")
_LARGE = 1 << 30
_HINT = "iproute2 is installed by ./bootstrap; macvtap is a module of the kernel: modprobe macvtap"


def attach(network: Network, nic: Nic | None, slot: int) -> None:
    """Make what the guest's QEMU will open.

    Raises:
        RuntimeFault: the kernel has no macvtap, or its device node does not appear.
    """
    if nic is None or nic.way != "macvtap":
        return
    number = device_number(nic.tap, slot)
    made = (
        f"link add link {network.wire} name {nic.tap} index {number} address {nic.mac} "
        f"mtu {nic.mtu} type macvtap mode bridge"
    )
    _ip(network.host_netns.name, [made, f"link set {nic.tap} up"])
    if not (DEVICES / f"tap{number}").exists():
        detach(network, nic)
        raise RuntimeFault(
            f"no {DEVICES}/tap{number} has come for the macvtap {nic.tap}",
            hint="macvtap needs a devtmpfs on /dev, which containers mostly have not",
        )


def settle(network: Network, nic: Nic | None) -> None:
    """Bring the tap of a daemon's guest from the host's namespace to the testbed's bridge.

    Raises:
        RuntimeFault: it cannot be moved.
    """
    if nic is None or nic.way != "moved":
        return
    side = network.host_netns.name
    _ip("", [f"link set {nic.tap} netns {side}"])
    _ip(side, [f"link set {nic.tap} master {nic.bridge} mtu {nic.mtu} up"])


def detach(network: Network, nic: Nic | None) -> None:
    """Remove what ``attach`` made; a tap goes with its QEMU.  Idempotent."""
    if nic is not None and nic.way == "macvtap":
        with contextlib.suppress(RuntimeFault):  # gone already
            _ip(network.host_netns.name, [f"link delete {nic.tap}"])


def device_number(tap: str, slot: int) -> int:
    """Number of the interface, and thus of its device node, which all namespaces share.

    The kernel counts interfaces in each namespace from 1; a node of the same number in two of them
    would be one node.  From the run's id and the slot: no other is alike, and none is near.
    """
    run = int(tap.removeprefix("tb").partition("v")[0], 16)
    return _LARGE | (run & 0x3FFFFF) << 8 | slot & 0xFF


def _ip(namespace: str, commands: list[str]) -> None:
    where = ["-n", namespace] if namespace else []
    process.run(
        ["ip", *where, "-batch", "-"],
        stdin="\n".join(commands).encode() + b"\n",
        timeout_s=TIMEOUT_S,
        hint=_HINT,
    )
