"""How one instance's MachineConfig is made from its profile and the run's platform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from runtimes import ports
from runtimes.base import InstanceSpec
from runtimes.kvm.boot.kernel import CONSOLES
from runtimes.kvm.domain.config import (
    Accelerator,
    DirectBoot,
    Disk,
    MachineConfig,
    Nic,
    Share,
    Sharing,
    Uefi,
    Way,
)
from runtimes.kvm.domain.topology import Topology
from runtimes.kvm.nested import docker, plans
from runtimes.kvm.profiles.specs import PROFILES, SPECS, ProfileSpec, VolumeKind
from runtimes.kvm.volume import DISK_FORMATS

__all__ = ["PROFILES", "SPECS", "Files", "Platform", "machine", "tap_name"]

DIGEST_PATH = "/opt/tarebench/rootfs.digest"

COMMON_OPTIONS = ("quiet", "panic=-1", "random.trust_cpu=on")
"""panic=-1: a guest that panics ends at once.  trust_cpu: no waiting for entropy."""

SHARE_TAG = "tb.volume"

QUICK_OPTIONS = {
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
    variables: Path
    """UEFI's, where the guest has any."""
    initramfs: Path
    """With what makes the inner box, where there is one."""
    volume: Path | None = None
    """The file of the volume's disk, in the volume's directory, where it is a disk."""

    @classmethod
    def below(
        cls, state: Path, name: str, volume: Path | None = None, kind: VolumeKind = "raw"
    ) -> Files:
        """Files of instance ``name`` below ``state``."""
        disk = volume / f"disk.{kind}" if volume and kind in DISK_FORMATS else None
        return cls(
            overlay=state / f"{name}.qcow2",
            channel=state / f"{name}.sock",
            console=state / f"{name}.console",
            variables=state / f"{name}.vars",
            initramfs=state / f"{name}.initramfs",
            volume=disk,
        )

    def own(self) -> tuple[Path, ...]:
        """Those that take space because of this instance."""
        volume = (self.volume,) if self.volume else ()
        return (self.overlay, self.console, self.variables, self.initramfs, *volume)


@dataclass(frozen=True, slots=True)
class Start:
    """What a profile's guests start from."""

    image: Path
    """The root disk's raw image; only read."""
    kernel: Path | None = None
    initramfs: Path | None = None
    firmware: Path | None = None
    """A ROM that only starts a kernel (qboot), or UEFI's code."""
    variables: Path | None = None
    """UEFI's variables as delivered."""
    offset_bytes: int = 0
    """Where in ``image`` the root file system begins."""
    lower: Path | None = None
    """The inner box's root filesystem, a raw read-only disk beside ``image``."""
    nested_image: str = ""
    """What the engine in the guest calls the inner box's image."""
    digest_path: str = DIGEST_PATH
    """Where the shared root filesystem's digest is found."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What all instances of a run share."""

    run: str
    """Its short id."""
    architecture: str
    accelerator: Accelerator
    emulator: Path
    bridge: str
    """Bridge for the taps."""
    daemon: bool
    """A libvirt daemon runs the guests, not this process."""
    gateway: str
    prefix_length: int
    range_length: int
    mtu: int
    vhost: bool = False
    """/dev/vhost-net is there."""
    huge_pages: bool = False
    """Enough are free for a guest."""
    topology: Topology | None = None
    tsc_khz: int = 0
    """Rate at which this host's processors count; 0 where unknown."""
    huge_page_rule: str = ""
    """When this host backs memory with huge pages by itself: ``always``, ``madvise``, ``never``."""
    virtiofsd: Path | None = None


def identity(
    platform: Platform, spec: InstanceSpec, volume: str, *, addressed: bool = True
) -> list[str]:
    """Who this instance is, in the words that init and the full VM's script read.

    Args:
        platform: of the run.
        spec: the instance.
        volume: the volume's device.
        addressed: the guest has the address itself, not a box in it.
    """
    words = [f"tb.host={spec.name}"]
    if platform.huge_page_rule:
        words.append(f"tb.thp={platform.huge_page_rule}")
    if spec.volume is not None:
        sharing = _sharing(SPECS[spec.profile])
        words += (
            [f"tb.volume={SHARE_TAG}", f"tb.sharing={sharing}"]
            if sharing
            else [f"tb.volume={volume}"]
        )
    if not addressed:
        return words
    if SPECS[spec.profile].direct_network:
        where = [f"tb.ip={spec.lease.address}/{platform.range_length}"]
    else:
        where = [
            f"tb.ip={spec.lease.address}/{platform.prefix_length}",
            f"tb.gw={platform.gateway}",
        ]
    return [*words, *where, f"tb.mtu={platform.mtu}"]


def command_line(platform: Platform, shape: ProfileSpec, spec: InstanceSpec) -> str:
    """The guest kernel's command line; what init reads of it is told in boot/init/init.c."""
    quick = (*QUICK_COMMON, *QUICK_OPTIONS[platform.architecture]) if shape.quick else ()
    disk = "sd" if shape.bus == "ide" else "vd"
    words = [
        f"console={CONSOLES[platform.architecture]}",
        *COMMON_OPTIONS,
        *quick,
        *_told(platform, shape),
        f"tb.root=/dev/{disk}a",
        "tb.fstype=ext4",
    ]
    if shape.start == "saved":
        return " ".join([*words, "tb.snapshot"])
    if shape.nested == "ns":
        return " ".join([*words, *_around_the_box(platform, spec)])
    if shape.nested == "docker":
        words.append(f"tb.engine={docker.CGROUPS}")
    return " ".join([*words, *identity(platform, spec, f"/dev/{disk}b")])


def _around_the_box(platform: Platform, spec: InstanceSpec) -> list[str]:
    """A guest whose second disk is the box's root filesystem, and which lends the box its wire."""
    return [
        *identity(platform, spec, "/dev/vdc", addressed=False),
        *(f"tb.bridge={plans.BRIDGE}", f"tb.mtu={platform.mtu}"),
        "tb.lower=/dev/vdb",
        f"tb.group={plans.group(platform.run, spec.name)}",
    ]


def _told(platform: Platform, shape: ProfileSpec) -> list[str]:
    """What the guest's kernel cannot find out.

    microvm has nothing to measure its processor's clock by but a timer that emulation serves late;
    a kernel that fails to do so comes no further.  KVM tells the rate itself.
    """
    emulated = shape.mmio and platform.accelerator == "tcg"
    return [f"tsc_early_khz={platform.tsc_khz}"] if emulated and platform.tsc_khz else []


def _sharing(shape: ProfileSpec) -> Sharing | None:
    match shape.volume:
        case "9p" | "virtiofs" as sharing:
            return sharing
        case _:
            return None


def tap_name(run: str, slot: int) -> str:
    """Name of a slot's tap."""
    return ports.name(run, ports.Kind.VM, slot)


def machine(
    platform: Platform, start: Start, spec: InstanceSpec, files: Files, tap: str
) -> MachineConfig:
    """The guest of ``spec``."""
    shape = SPECS[spec.profile]
    topology = platform.topology if shape.tuned else None
    from_disk = shape.start == "disk"
    return MachineConfig(
        name=spec.name,
        architecture=platform.architecture,
        accelerator=platform.accelerator,
        machine=shape.machines[platform.architecture],
        emulator=platform.emulator,
        cpus=topology.cpus if topology else spec.limits.cpus,
        memory_bytes=spec.limits.memory_bytes + shape.reserve_bytes,
        disks=_disks(shape, start, files),
        share=_share(platform, shape, spec),
        nic=_nic(platform, shape, spec, tap),
        channel=files.channel,
        console=files.console,
        boot=_direct(platform, shape, start, spec, files),
        firmware=_firmware(start, files),
        identity=" ".join(identity(platform, spec, "/dev/vdb")) if from_disk else "",
        flat_pci=shape.flat_pci,
        mmio=shape.mmio,
        quick=shape.quick,
        usual_devices=shape.usual_devices,
        host_cpu=shape.host_cpu,
        pinned=shape.pinned,
        topology=topology,
        huge_pages=shape.tuned and platform.huge_pages,
        own_files=platform.daemon,
    )


def _direct(
    platform: Platform, shape: ProfileSpec, start: Start, spec: InstanceSpec, files: Files
) -> DirectBoot | None:
    if start.kernel is None or start.initramfs is None:
        return None
    initramfs = files.initramfs if shape.nested else start.initramfs
    return DirectBoot(start.kernel, initramfs, command_line(platform, shape, spec))


def _firmware(start: Start, files: Files) -> Path | Uefi | None:
    if start.firmware is not None and start.variables is not None:
        return Uefi(start.firmware, start.variables, files.variables)
    return start.firmware


def _disks(shape: ProfileSpec, start: Start, files: Files) -> tuple[Disk, ...]:
    stem = "hd" if shape.bus == "ide" else "vd"
    disks = [Disk(files.overlay, "qcow2", f"{stem}a", start.image)]
    if start.lower is not None:
        disks.append(Disk(start.lower, "raw", f"{stem}b", read_only=True))
    if files.volume is not None:
        kind = DISK_FORMATS[shape.volume]
        disks.append(Disk(files.volume, kind, f"{stem}{'abc'[len(disks)]}"))
    return tuple(
        replace(disk, bus=shape.bus, direct=shape.tuned, iothread=shape.tuned) for disk in disks
    )


def _share(platform: Platform, shape: ProfileSpec, spec: InstanceSpec) -> Share | None:
    sharing = _sharing(shape)
    if sharing is None or spec.volume is None:
        return None
    return Share(spec.volume, SHARE_TAG, sharing, platform.virtiofsd)


def _nic(platform: Platform, shape: ProfileSpec, spec: InstanceSpec, tap: str) -> Nic:
    way: Way = "macvtap" if shape.direct_network else "moved" if platform.daemon else "bridge"
    nic = Nic(tap, platform.bridge, spec.lease.mac, platform.mtu, way=way)
    if shape.bus == "ide":
        return replace(nic, model="e1000")
    if shape.tuned:
        return replace(nic, vhost=platform.vhost, queues=len(spec.limits.cpus))
    return nic
