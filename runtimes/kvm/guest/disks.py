"""How large QEMU shows a disk to its guest, in its own words.

libvirt's blockInfo asks for the statistics of ``…/virtio-disk0/virtio-backend``, a device that only
exists on a PCI bus: microvm has none, and it refuses.
"""

from __future__ import annotations

import json
from typing import Any

import libvirt
import libvirt_qemu

from runtimes.faults import RuntimeFault


def shown_bytes(domain: libvirt.virDomain, target: str) -> int:
    """Size of the disk that the guest has at ``target`` (vda, sda, …).

    Raises:
        libvirt.libvirtError: the guest has gone.
        RuntimeFault: QEMU has no such disk.
    """
    if not target.startswith("vd"):  # on a controller, whose devices libvirt knows
        return int(domain.blockInfo(target)[0])
    return size_in(libvirt_qemu.qemuMonitorCommand(domain, '{"execute": "query-block"}', 0), target)


def size_in(answer: str, target: str) -> int:
    """The same, from QEMU's answer; libvirt numbers its devices as their targets are lettered.

    Raises:
        RuntimeFault: no such disk is in it.
    """
    alias = f"virtio-disk{ord(target[-1]) - ord('a')}"
    told: dict[str, Any] = json.loads(answer)
    for each in told.get("return", []):
        if alias in str(each.get("qdev", "")).split("/"):
            size = each.get("inserted", {}).get("image", {}).get("virtual-size")
            if isinstance(size, int):
                return size
    raise RuntimeFault(f"QEMU shows no size of the disk {target}: {answer[:200]}")
