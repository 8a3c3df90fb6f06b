"""A box on the testbed's bridge has one place there: its own hardware and its own IP address.

Boxes have raw sockets (CAP_NET_RAW is in every engine's default set), so each could answer for
another's address, or send from it.  Which port belongs to which addresses is known before any box
is: names of ports, hardware addresses and IP addresses all come from the slot.  So the table is
written once, starts change nothing in it, and every frame that comes from a port of the bridge
costs the same lookup, whichever backend's it is.

Frames that no box here needs (IPv6, VLANs, …) are dropped, as they could say such things as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runtimes import ports, process
from runtimes.base import Lease
from runtimes.faults import RuntimeFault

TABLE = "tarebench_boxes"


def places(run: str, leases: Iterable[Lease]) -> Iterator[tuple[str, str, str]]:
    """Each port with a hardware and an IP address that may be seen there."""
    for lease in leases:
        for kind in ports.Kind:
            name = ports.name(run, kind, lease.slot)
            yield name, lease.mac, lease.address
            if kind is ports.Kind.VM:  # and of a container in the guest
                yield name, ports.second_mac(lease.mac), lease.address


def rules(run: str, leases: Iterable[Lease]) -> str:
    """nftables rules of the bridge.

    Ports of others in the namespace (Docker's own bridge) take the same lookups, and pass.
    """
    known = list(places(run, leases))
    packets = ",\n".join(f'"{name}" . {mac} . {address}' for name, mac, address in known)
    answers = ",\n".join(f'"{name}" . {mac} . {mac} . {address}' for name, mac, address in known)
    return f"""\
table bridge {TABLE} {{
  set packets {{
    type ifname . ether_addr . ipv4_addr
    elements = {{ {packets} }}
  }}
  set answers {{
    type ifname . ether_addr . ether_addr . ipv4_addr
    elements = {{ {answers} }}
  }}
  chain from_boxes {{
    type filter hook prerouting priority -300; policy accept;
    iifname . ether saddr . ip saddr @packets accept
    iifname . ether saddr . arp saddr ether . arp saddr ip @answers accept
    iifname "tb{run}*" counter drop
  }}
}}
"""


def install(inside: list[str], text: str, timeout_s: float) -> str:
    """Load the rules; why not, where this kernel cannot: empty where it can.

    Args:
        inside: what brings a command into the namespace of the bridge.
        text: the rules.
        timeout_s: for loading them.
    """
    try:
        process.run([*inside, "nft", "-f", "-"], stdin=text.encode(), timeout_s=timeout_s)
    except RuntimeFault as fault:
        return f"the kernel takes no nftables rules for bridges (CONFIG_NF_TABLES_BRIDGE): {fault}"
    return ""
