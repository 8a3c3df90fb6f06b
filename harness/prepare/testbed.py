"""The wire between boxes and peer: two network namespaces that the harness makes for a run.

::

    host side (tb-<run>-host)                         peer (tb-<run>-peer)
      bridge, gateway 198.19.0.1/24
        ├─ box 198.19.0.2 …                             measuring clients
        └─ …                    ── veth, MTU 1500 ──    and servers
      host_address 198.18.0.1/30                      peer_address 198.18.0.2/30
      DNAT host_address:port → box:8080
      MASQUERADE to the wire

Boxes reach the peer through NAT and are reached through a published port, as Docker's default
bridge does it.  Each port of the bridge takes frames of its own box's addresses only (guard.py).
The native arm lives in the host side itself.  All of it vanishes with the
namespaces; the user's own interfaces, routes and firewall are never touched.

Addresses are from 198.18.0.0/15, reserved for benchmarks of network devices (RFC 2544).
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from harness.prepare import bridge_filter
from runtimes import process
from runtimes.base import Lease
from runtimes.conventions import BOX_PORT
from runtimes.faults import RuntimeFault
from runtimes.held_names import claim
from runtimes.linux.ids.rights import is_host_root

NETNS_DIRECTORY = Path("/run/netns")
SLOTS = 200
FIRST_PORT = 20000
MTU = 1500
_TIMEOUT_S = 20.0
_HINT = "iproute2 and nftables are installed by ./bootstrap; root is needed"


def namespace_name(run: str, side: str) -> str:
    """Name of a run's namespace, e.g. ``tb-3fa9c1-peer``."""
    return f"tb-{run}-{side}"


@dataclass(slots=True)
class Testbed:
    """A run's two namespaces.  Implements ``runtimes.base.Network``."""

    run: str
    host_netns: Path
    peer_netns: Path
    bridge: str = "tb0"
    gateway: str = "198.19.0.1"
    prefix_length: int = 24
    host_address: str = "198.18.0.1"
    peer_address: str = "198.18.0.2"
    mtu: int = MTU
    range_length: int = 15
    slots: int = SLOTS
    wire: str = field(init=False)
    unguarded: str = ""
    """Why a box can take another's address on the bridge; empty where it cannot."""
    _uplink: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Name the host side's end of the wire after the run."""
        self.wire = f"tb{self.run}w"

    def lease(self, slot: int) -> Lease:
        """Address, MAC and published port of slot ``slot`` (0 … SLOTS-1)."""
        if not 0 <= slot < SLOTS:
            raise ValueError(f"slot {slot} is outside 0…{SLOTS - 1}")
        last = slot + 2
        return Lease(
            slot=slot,
            address=f"198.19.0.{last}",
            mac=f"02:7b:00:00:00:{last:02x}",
            port=FIRST_PORT + slot,
        )

    def root_uplink(self) -> str:
        """Join the host's own namespace to the peer with a further veth pair; its address here."""
        if not self._uplink:
            self._uplink = _join_root(self.run, self.peer_address, self.peer_netns.name)
        return self._uplink


@contextlib.contextmanager
def testbed(run: str) -> Iterator[Testbed]:
    """Make the two namespaces, and remove them at the end.

    Raises:
        RuntimeFault: iproute2 or nftables is missing or refuses.
    """
    host, peer = namespace_name(run, "host"), namespace_name(run, "peer")
    bed = Testbed(run, NETNS_DIRECTORY / host, NETNS_DIRECTORY / peer)
    try:
        _build(bed, host, peer)
        yield bed
    finally:
        remove_testbed(run)


def remove_testbed(run: str) -> list[str]:
    """Remove what a run's testbed left; one line for each thing removed."""
    removed = []
    root_link = _root_link(run)
    if Path("/sys/class/net", root_link).exists():
        process.run(["ip", "link", "delete", root_link], timeout_s=_TIMEOUT_S)
        removed.append(f"interface {root_link}")
    for side in ("host", "peer"):
        name = namespace_name(run, side)
        if (NETNS_DIRECTORY / name).exists():
            process.run(["ip", "netns", "delete", name], timeout_s=_TIMEOUT_S)
            removed.append(f"network namespace {name}")
    return removed


def _build(bed: Testbed, host: str, peer: str) -> None:
    wire = bed.wire
    _make_namespaces(host, peer)
    _ip(
        host,
        [
            "link set lo up",
            f"link add {wire} mtu {bed.mtu} type veth peer name wire mtu {bed.mtu} netns {peer}",
            f"addr add {bed.host_address}/30 dev {wire}",
            f"link set {wire} up",
            f"link add {bed.bridge} mtu {bed.mtu} type bridge stp_state 0 forward_delay 0",
            f"addr add {bed.gateway}/{bed.prefix_length} dev {bed.bridge}",
            f"link set {bed.bridge} up",
        ],
    )
    _ip(
        peer,
        [
            *("link set lo up", f"addr add {bed.peer_address}/30 dev wire", "link set wire up"),
            # Boxes that are on the wire themselves; those behind NAT come as host_address.
            f"route add {_boxes(bed)} dev wire",
        ],
    )
    inside = ["nsenter", f"--net={bed.host_netns}"]
    process.run([*inside, "sysctl", "-qw", "net.ipv4.ip_forward=1"], timeout_s=_TIMEOUT_S)
    process.run(
        [*inside, "nft", "-f", "-"],
        stdin=nat_rules(bed, wire).encode(),
        timeout_s=_TIMEOUT_S,
        hint=_HINT,
    )
    leases = [bed.lease(slot) for slot in range(SLOTS)]
    bed.unguarded = bridge_filter.install(inside, bridge_filter.rules(bed.run, leases), _TIMEOUT_S)


def _make_namespaces(*names: str) -> None:
    """As ``ip netns add``, which first locks /run/netns: anybody may, and keep it waiting for ever.

    That directory is a shared mount, so that a name removed is removed in every mount namespace.
    """
    with claim("netns", wait=True) or contextlib.nullcontext():
        NETNS_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
        share = ["mount", "--make-rshared", str(NETNS_DIRECTORY)]
        try:
            process.run(share, timeout_s=_TIMEOUT_S)
        except RuntimeFault:  # not a mount point yet
            both = str(NETNS_DIRECTORY)
            process.run(["mount", "--rbind", both, both], timeout_s=_TIMEOUT_S, hint=_HINT)
            process.run(share, timeout_s=_TIMEOUT_S, hint=_HINT)
    for name in names:
        file = NETNS_DIRECTORY / name
        file.touch(mode=0o400)
        process.run(["unshare", f"--net={file}", "true"], timeout_s=_TIMEOUT_S, hint=_HINT)


def _boxes(bed: Testbed) -> str:
    """The subnet of every box."""
    return str(ip_network(f"{bed.gateway}/{bed.prefix_length}", strict=False))


def nat_rules(bed: Testbed, wire: str) -> str:
    """nftables rules of the host side: published ports in, masquerade out."""
    leases = [bed.lease(slot) for slot in range(SLOTS)]
    ports = ", ".join(f"{lease.port} : {lease.address}" for lease in leases)
    return f"""\
table ip tarebench {{
  map published {{
    type inet_service : ipv4_addr
    elements = {{ {ports} }}
  }}
  chain in {{
    type nat hook prerouting priority dstnat;
    iifname "{wire}" ip daddr {bed.host_address} dnat to tcp dport map @published : {BOX_PORT}
  }}
  chain out {{
    type nat hook postrouting priority srcnat;
    ip saddr {bed.gateway}/{bed.prefix_length} oifname "{wire}" masquerade
  }}
}}
"""


def _root_link(run: str) -> str:
    return f"tb{run}r"


def _join_root(run: str, peer_address: str, peer: str) -> str:
    # A /30 of its own for each run, in a part of the range that the namespaces do not use, since
    # the host's own namespace is shared by concurrent runs.
    index = zlib.crc32(run.encode()) % (64 * 256 // 4)
    third, fourth = 128 + index * 4 // 256, index * 4 % 256
    ours, theirs = f"198.18.{third}.{fourth + 1}", f"198.18.{third}.{fourth + 2}"
    link = _root_link(run)
    _ip(
        "",
        [
            f"link add {link} mtu {MTU} type veth peer name root mtu {MTU} netns {peer}",
            f"addr add {ours}/30 dev {link}",
            f"link set {link} up",
            f"route add {peer_address}/32 via {theirs} dev {link}",
        ],
    )
    _ip(peer, [f"addr add {theirs}/30 dev root", "link set root up"])
    return ours


def _ip(namespace: str, commands: list[str]) -> None:
    where = ["-n", namespace] if namespace else []
    # It goes back to where it came from, which root of a user namespace may not unless it owns it.
    own = [] if is_host_root() else ["unshare", "--net"]
    process.run(
        [*own, "ip", *where, "-batch", "-"],
        stdin="\n".join(commands).encode() + b"\n",
        timeout_s=_TIMEOUT_S,
        hint=_HINT,
    )
