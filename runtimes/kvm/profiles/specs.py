"""What each profile decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from runtimes.base import Capability
from runtimes.kvm.domain.config import Bus

Start = Literal["direct", "disk", "saved"]
Nested = Literal["", "ns", "docker"]
VolumeKind = Literal["raw", "qcow2", "9p", "virtiofs"]

MODERN: Mapping[str, str] = MappingProxyType({"x86_64": "q35", "aarch64": "virt"})


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """One profile."""

    summary: str
    start: Start = "direct"
    """By the kernel alone, by firmware and boot loader from disk, or from a saved state."""
    machines: Mapping[str, str] = field(default_factory=lambda: MODERN)
    """Architecture → QEMU machine type; the profile exists on these only."""
    flat_pci: bool = False
    mmio: bool = False
    """No PCI: what QEMU's microvm machine is about."""
    quick: bool = False
    """Skip what libvirt and a guest's kernel do at start only to find out what they are on."""
    usual_devices: bool = False
    host_cpu: bool = True
    pinned: bool = False
    tuned: bool = False
    """Everything that the host offers: topology, huge pages, vhost, queues, direct I/O."""
    bus: Bus = "virtio"
    nested: Nested = ""
    """The box is a container in the guest, made by this."""
    reserve_bytes: int = 0
    """What the guest has beside the box's memory limit, for its kernel and whoever makes the
    container: docs/adr/0024-limits-of-a-container-in-a-vm.md."""
    direct_network: bool = False
    """On the wire to the peer itself (macvtap), not behind bridge and NAT."""
    volume: VolumeKind = "raw"
    """What its volume is: a disk in a file of that format, or a directory shared that way."""


DEFAULT = ProfileSpec(
    "q35 with virtio devices behind PCIe ports, as virt-install makes it today", usual_devices=True
)
MICRO = ProfileSpec(
    "the fewest devices, on the root bus: the fastest start that libvirt's QEMU allows",
    flat_pci=True,
    quick=True,
    pinned=True,
)

SPECS: Mapping[str, ProfileSpec] = {
    "default": DEFAULT,
    "tuned": replace(
        DEFAULT,
        summary=(
            "default with pinned CPUs, the host's topology, huge pages where there are free ones, "
            "vhost, queues, an I/O thread and direct disk I/O"
        ),
        pinned=True,
        tuned=True,
    ),
    "micro": MICRO,
    "microvm": replace(
        MICRO,
        summary="micro on QEMU's microvm machine: no PCI, virtio devices at fixed places in memory",
        machines=MappingProxyType({"x86_64": "microvm"}),
        flat_pci=False,
        mmio=True,
    ),
    "stock": replace(
        DEFAULT,
        summary="a full Debian: firmware, GRUB, its own kernel, systemd, sshd, its own disk",
        start="disk",
    ),
    "legacy": replace(
        DEFAULT,
        summary="emulated IDE and e1000 on the old PC machine with its old CPU: no tuning at all",
        machines=MappingProxyType({"x86_64": "pc"}),
        host_cpu=False,
        bus="ide",
    ),
    "macvtap": replace(
        DEFAULT,
        summary="default on the wire itself, by a macvtap in bridge mode: no bridge and no NAT",
        direct_network=True,
    ),
    "qcow2": replace(
        DEFAULT, summary="default with its volume's disk in a qcow2 file", volume="qcow2"
    ),
    "9p": replace(
        DEFAULT,
        summary="default with its volume a directory of the host's, shared by 9p",
        volume="9p",
    ),
    "virtiofs": replace(
        DEFAULT,
        summary="default with its volume a directory of the host's, shared by virtiofs",
        volume="virtiofs",
    ),
    "snapshot": replace(
        MICRO,
        summary="micro, restored from a state that was saved just before its agent started",
        start="saved",
    ),
    "nested-ns": replace(
        DEFAULT,
        summary="a container in a VM: an ns box in default's guest, on cgroup v2",
        nested="ns",
        reserve_bytes=128 << 20,
    ),
    "nested-docker": replace(
        DEFAULT,
        summary="a container in a VM: Docker in default's guest, on cgroup v2",
        nested="docker",
        reserve_bytes=512 << 20,
    ),
}

PROFILES: Mapping[str, str] = {name: shape.summary for name, shape in SPECS.items()}

LACKING: Mapping[str, frozenset[Capability]] = {
    name: frozenset({Capability.VOLUME}) for name, shape in SPECS.items() if shape.start == "saved"
}
"""A restored guest has the disks it was saved with."""
