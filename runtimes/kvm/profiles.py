"""What each profile varies: how one instance's MachineConfig is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtimes.base import InstanceSpec
from runtimes.kvm.xml import Accelerator, Disk, MachineConfig, Nic

PROFILES: Mapping[str, str] = {
    "default": "q35 with virtio devices behind PCIe ports, as virt-install makes it today",
    "micro": "the fewest devices, on the root bus: the fastest start that libvirt's QEMU allows",
}

Bus = Literal["ports", "root"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a profile decides."""

    machines: Mapping[str, str]
    """Architecture → QEMU machine type."""
    flat_pci: bool
    quick: bool
    """Skip what a guest's kernel does at start only to find out what it is on."""


SHAPES: Mapping[str, Shape] = {
    "default": Shape({"x86_64": "q35", "aarch64": "virt"}, flat_pci=False, quick=False),
    "micro": Shape({"x86_64": "q35", "aarch64": "virt"}, flat_pci=True, quick=True),
}

CONSOLES: Mapping[str, str] = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}

COMMON_OPTIONS = ("quiet", "panic=-1", "random.trust_cpu=on")
"""panic=-1: a guest that panics ends at once.  trust_cpu: no waiting for entropy."""

QUICK_OPTIONS: Mapping[str, tuple[str, ...]] = {
    # tsc, timer: no calibration.  i8042: no probing for keyboards.  noreplace-smp: no patching of
    # the kernel's text for one CPU.
    "x86_64": ("tsc=reliable", "no_timer_check", "noreplace-smp", "i8042.noaux", "i8042.nokbd"),
    "aarch64": (),
}

QUICK_COMMON = ("cryptomgr.notests",)
"""The crypto self-tests are a sixth of an emulated kernel's start."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where one instance's files are."""

    overlay: Path
    channel: Path
    console: Path

    @classmethod
    def below(cls, state: Path, name: str) -> Files:
        """Files of instance ``name`` below ``state``."""
        return cls(state / f"{name}.qcow2", state / f"{name}.sock", state / f"{name}.console")


@dataclass(frozen=True, slots=True)
class Platform:
    """What all instances of a run share."""

    architecture: str
    accelerator: Accelerator
    emulator: Path
    kernel: Path
    initramfs: Path
    image: Path
    """The root filesystem's raw image; only read."""
    plain_kernel: Path | None
    """``kernel`` uncompressed, where it can be booted so."""
    quick_firmware: Path | None
    """A firmware that only starts a kernel (qboot), where there is one."""
    bridge: str
    """Bridge for the taps; empty where guests have no network (a daemon's)."""
    daemon: bool
    """A libvirt daemon runs the guests, not this process."""
    gateway: str
    prefix_length: int
    mtu: int


def command_line(platform: Platform, shape: Shape, spec: InstanceSpec) -> str:
    """The guest kernel's command line; what init reads of it is told in init.c."""
    words = [
        f"console={CONSOLES[platform.architecture]}",
        *COMMON_OPTIONS,
        *((*QUICK_COMMON, *QUICK_OPTIONS[platform.architecture]) if shape.quick else ()),
        "tb.root=/dev/vda",
        "tb.fstype=ext4",
        f"tb.host={spec.name}",
    ]
    if platform.bridge:
        words += [
            f"tb.ip={spec.lease.address}/{platform.prefix_length}",
            f"tb.gw={platform.gateway}",
            f"tb.mtu={platform.mtu}",
        ]
    return " ".join(words)


def tap_name(run: str, slot: int) -> str:
    """Name of a slot's tap; unique in the host-side namespace, at most 15 characters."""
    return f"tb{run}v{slot}"


def machine(platform: Platform, spec: InstanceSpec, files: Files, tap: str) -> MachineConfig:
    """The guest of ``spec``."""
    shape = SHAPES[spec.profile]
    return MachineConfig(
        name=spec.name,
        architecture=platform.architecture,
        accelerator=platform.accelerator,
        machine=shape.machines[platform.architecture],
        emulator=platform.emulator,
        kernel=(platform.plain_kernel if shape.quick else None) or platform.kernel,
        initramfs=platform.initramfs,
        command_line=command_line(platform, shape, spec),
        cpus=spec.limits.cpus,
        memory_bytes=spec.limits.memory_bytes,
        disk=Disk(files.overlay, "qcow2", platform.image),
        nic=Nic(tap, platform.bridge, spec.lease.mac, platform.mtu) if platform.bridge else None,
        channel=files.channel,
        console=files.console,
        flat_pci=shape.flat_pci,
        own_files=platform.daemon,
        firmware=platform.quick_firmware if shape.quick else None,
    )
