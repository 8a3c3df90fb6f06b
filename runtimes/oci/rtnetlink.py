"""Join a made container to the testbed's bridge, as CNI plug-ins and libnetwork do.

OCI runtimes make no networks: between ``create`` and ``start`` somebody puts one end of a veth
pair into the container's network namespace.  The messages are those of launcher/src/network.c
(rtnetlink(7)), sent from here because no process of ours is in the container.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux.netns import inside
from runtimes.ns.build import INSIDE, Attachment

_ROUTE = 0
_NEWLINK, _NEWADDR, _NEWROUTE = 16, 20, 24
_REQUEST_ACK = 0x1 | 0x4
_CREATE_NEW = 0x400 | 0x200
_ERROR = 2
_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_LINKINFO, _IFLA_NET_NS_PID, _INFO_KIND, _INFO_DATA, _VETH_PEER = 18, 19, 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_RTA_OIF, _RTA_GATEWAY = 4, 5
_MAIN, _BOOT, _UNIVERSE, _UNICAST = 254, 3, 0, 1

_HINTS = {
    errno.EEXIST: "an interface of that name is left from a killed run: invoke clean",
    errno.ENODEV: "the bridge or the container's namespace is gone",
    errno.EOPNOTSUPP: "modprobe veth bridge",
}


def attribute(kind: int, data: bytes) -> bytes:
    """One ``struct rtattr`` with its payload, padded."""
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def link(index: int, flags: int) -> bytes:
    """``struct ifinfomsg``."""
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)


def veth_request(one: Attachment, pid: int, bridge: int) -> bytes:
    """Both ends in one message: ours up and on the bridge, the other in the process's namespace."""
    mtu = attribute(_IFLA_MTU, struct.pack("=I", one.mtu))
    peer = b"".join(
        (
            link(0, 0),
            attribute(_IFLA_IFNAME, INSIDE.encode() + b"\0"),
            mtu,
            attribute(_IFLA_NET_NS_PID, struct.pack("=I", pid)),
            attribute(_IFLA_ADDRESS, bytes.fromhex(one.mac.replace(":", ""))),
        )
    )
    kind = attribute(_INFO_KIND, b"veth")
    data = attribute(_INFO_DATA, attribute(_VETH_PEER, peer))
    return b"".join(
        (
            link(0, _UP),
            attribute(_IFLA_IFNAME, one.outside.encode() + b"\0"),
            mtu,
            attribute(_IFLA_MASTER, struct.pack("=I", bridge)),
            attribute(_IFLA_LINKINFO, kind + data),
        )
    )


def address_request(one: Attachment, index: int) -> bytes:
    """The container's address."""
    network = ipaddress.IPv4Interface(f"{one.address}/{one.prefix_length}").network
    local = ipaddress.IPv4Address(one.address).packed
    head = struct.pack("=BBBBI", socket.AF_INET, one.prefix_length, 0, _UNIVERSE, index)
    broadcast = attribute(_IFA_BROADCAST, network.broadcast_address.packed)
    return head + attribute(_IFA_LOCAL, local) + attribute(_IFA_ADDRESS, local) + broadcast


def route_request(gateway: str, index: int) -> bytes:
    """The default route."""
    head = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, _MAIN, _BOOT, _UNIVERSE, _UNICAST, 0)
    where = attribute(_RTA_GATEWAY, ipaddress.IPv4Address(gateway).packed)
    return head + where + attribute(_RTA_OIF, struct.pack("=I", index))


def join(one: Attachment, pid: int) -> None:
    """Put process ``pid``'s network namespace on the bridge, with address and default route.

    Raises:
        RuntimeFault: naming the step and the cause.
    """

    def outside() -> None:
        with _netlink() as channel:
            body = veth_request(one, pid, socket.if_nametoindex(one.bridge))
            what = f"join {one.outside} to bridge {one.bridge}"
            _ask(channel, _NEWLINK, _CREATE_NEW, body, what)

    def within() -> None:
        index = socket.if_nametoindex(INSIDE)
        what = f"give {one.address}/{one.prefix_length} to {INSIDE}, gateway {one.gateway}"
        with _netlink() as channel:
            _ask(channel, _NEWADDR, _CREATE_NEW, address_request(one, index), what)
            _ask(channel, _NEWLINK, 0, link(index, _UP), what)
            _ask(channel, _NEWROUTE, _CREATE_NEW, route_request(one.gateway, index), what)

    try:
        inside(one.namespace, outside)
        inside(Path(f"/proc/{pid}/ns/net"), within)
    except OSError as error:
        raise RuntimeFault(
            f"join process {pid} to bridge {one.bridge}: {error}",
            hint=_HINTS.get(error.errno or 0, ""),
        ) from None


def _netlink() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _ROUTE)


def _ask(channel: socket.socket, kind: int, flags: int, body: bytes, what: str) -> None:
    channel.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_ACK | flags, 1, 0) + body)
    answer = channel.recv(65536)
    if len(answer) < 20 or struct.unpack_from("=H", answer, 4)[0] != _ERROR:
        raise RuntimeFault(f"{what}: the kernel answered something else")
    code = -struct.unpack_from("=i", answer, 16)[0]
    if code:
        raise RuntimeFault(f"{what}: {os.strerror(code)}", hint=_HINTS.get(code, ""))
