"""What an interface leaves to the next one or to hardware, as ethtool(8) shows it."""

from __future__ import annotations

import array
import contextlib
import fcntl
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from runtimes import process
from runtimes.linux import netns

_SIOCETHTOOL = 0x8946
_ASKED = {
    "receive checksum": 0x14,
    "transmit checksum": 0x16,
    "scatter-gather": 0x18,
    "TCP segmentation": 0x1E,
    "generic segmentation": 0x23,
    "generic receive": 0x2B,
}
"""linux/ethtool.h: ETHTOOL_G…"""


def offloads(interface: str) -> Mapping[str, bool]:
    """Of an interface of the calling thread's network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        return {name: _asked(opened, interface, code) for name, code in _ASKED.items()}


def of_a_plain_pair(namespace: Path) -> Mapping[str, bool]:
    """Of a veth pair as the kernel makes it when nobody asks for anything."""
    inside = ["nsenter", f"--net={namespace}", "ip", "link"]
    pair = ["add", "plain0", "type", "veth", "peer", "name", "plain1"]
    with contextlib.ExitStack() as undo:
        process.run([*inside, *pair], timeout_s=10)
        undo.callback(process.run, [*inside, "delete", "plain0"], timeout_s=10)
        return netns.inside(namespace, lambda: offloads("plain0"))


def _asked(opened: socket.socket, interface: str, code: int) -> bool:
    value = array.array("B", struct.pack("=II", code, 0))
    request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
    fcntl.ioctl(opened, _SIOCETHTOOL, request)
    return bool(struct.unpack("=II", value)[1])
