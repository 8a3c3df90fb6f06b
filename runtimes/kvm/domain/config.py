"""What makes one guest, as data; ``xml`` turns it into libvirt's words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtimes.kvm.domain.topology import Topology

Accelerator = Literal["kvm", "tcg"]
Bus = Literal["virtio", "ide"]
Sharing = Literal["9p", "virtiofs"]


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk."""

    path: Path
    format: Literal["raw", "qcow2"]
    target: str
    """Name that the guest is likely to give it: ``vda``, ``hda``."""
    backing: Path | None = None
    """Raw image under a qcow2 overlay: named, so that libvirt need not probe for it."""
    bus: Bus = "virtio"
    direct: bool = False
    """Past the host's page cache (O_DIRECT), with native asynchronous I/O."""
    iothread: bool = False
    """Served by a thread of its own."""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """A directory of the host's that the guest mounts as it is."""

    directory: Path
    tag: str
    """Name under which the guest mounts it."""
    sharing: Sharing
    """By QEMU itself (9p), or by a virtiofsd of its own."""
    daemon: Path | None = None
    """virtiofsd's program."""


Way = Literal["bridge", "macvtap", "moved"]
"""How a guest is on the network: by a tap that libvirt puts on the testbed's bridge, by a macvtap
on the wire, or by a tap that is brought to that bridge from where a daemon made it."""


@dataclass(frozen=True, slots=True)
class Nic:
    """One interface."""

    tap: str
    bridge: str
    mac: str
    mtu: int
    model: Literal["virtio", "e1000"] = "virtio"
    vhost: bool = False
    """Packets must be moved by the host's kernel; else they are where libvirt finds that it can."""
    queues: int = 1
    way: Way = "bridge"


@dataclass(frozen=True, slots=True)
class DirectBoot:
    """QEMU itself loads the kernel."""

    kernel: Path
    initramfs: Path
    command_line: str


@dataclass(frozen=True, slots=True)
class Uefi:
    """Firmware of a machine that boots from its disk by UEFI."""

    code: Path
    template: Path
    """Variables as delivered."""
    variables: Path
    """This instance's copy; libvirt makes it."""


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """Everything that makes one guest."""

    name: str
    architecture: str
    """``x86_64`` or ``aarch64``."""
    accelerator: Accelerator
    machine: str
    """QEMU machine type: ``q35``, ``pc``, ``virt``."""
    emulator: Path
    cpus: tuple[int, ...]
    """Host CPU of each virtual one."""
    memory_bytes: int
    disks: tuple[Disk, ...]
    nic: Nic | None
    channel: Path
    """Unix socket on which the host side of the agent's port is served."""
    console: Path
    """File that gets what the guest writes to its serial console."""
    share: Share | None = None
    boot: DirectBoot | None = None
    """``None``: firmware and boot loader, from the first disk."""
    firmware: Path | Uefi | None = None
    """A ROM in place of the machine's usual firmware, or UEFI."""
    identity: str = ""
    """What a guest that boots from its disk reads in QEMU's fw_cfg."""
    flat_pci: bool = False
    """Put devices on the root bus: no bridges for the guest to find (fastest start)."""
    mmio: bool = False
    """No PCI at all: virtio devices at fixed places in memory, told by ACPI."""
    quick: bool = False
    """Leave out what costs time at every start: see ``xml``."""
    usual_devices: bool = False
    """USB, memory balloon, random numbers: what virt-install adds."""
    host_cpu: bool = True
    """The host's CPU (or all that TCG can); else the machine's default, a very old one."""
    pinned: bool = True
    """Each virtual CPU on its own host CPU."""
    topology: Topology | None = None
    """Tell the guest the topology of its host CPUs."""
    huge_pages: bool = False
    own_files: bool = False
    """Tell a libvirt daemon to leave our files' owners alone and run QEMU as root: it would give
    the cached image, which all instances share, to its own user."""
