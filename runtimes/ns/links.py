"""Remove interfaces of another network namespace: one rtnetlink socket, opened there once."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux.netns import inside

_NETLINK_ROUTE = 0
_RTM_DELLINK = 17
_REQUEST_ACK = 0x1 | 0x4
_IFLA_IFNAME = 3
_NLMSG_ERROR = 2


class Links:
    """Interfaces of one network namespace."""

    def __init__(self, namespace: Path) -> None:
        self._socket = inside(
            namespace,
            lambda: socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE
            ),
        )
        self._lock = threading.Lock()
        self._sequence = 0

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def remove(self, name: str) -> None:
        """Remove interface ``name``; already gone is fine.

        Raises:
            RuntimeFault: the kernel refuses.
        """
        with self._lock:
            self._sequence += 1
            self._socket.send(_delete_request(name, self._sequence))
            answer = self._socket.recv(65536)
        length, kind = struct.unpack_from("=IH", answer)
        if length < 20 or kind != _NLMSG_ERROR:
            raise RuntimeFault(f"remove interface {name}: the kernel answered something else")
        code = -struct.unpack_from("=i", answer, 16)[0]
        if code not in (0, errno.ENODEV):
            raise RuntimeFault(f"remove interface {name}: {os.strerror(code)}")


def _delete_request(name: str, sequence: int) -> bytes:
    """RTM_DELLINK by name, as rtnetlink(7) lays it out."""
    text = name.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(text), _IFLA_IFNAME) + text
    attribute += b"\0" * (-len(attribute) % 4)
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0) + attribute
    return struct.pack("=IHHII", 16 + len(body), _RTM_DELLINK, _REQUEST_ACK, sequence, 0) + body
