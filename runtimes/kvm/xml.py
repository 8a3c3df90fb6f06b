"""Domain XML, as pure functions of a typed configuration.

Elements are documented at https://libvirt.org/formatdomain.html; the tests validate what is
built here against libvirt's own schema (domain.rng).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

PORT_NAME = "io.tarebench.agent"
"""The virtio-serial port on which the agent speaks; init finds it by this name."""

Accelerator = Literal["kvm", "tcg"]


@dataclass(frozen=True, slots=True)
class Disk:
    """The root disk."""

    path: Path
    format: Literal["raw", "qcow2"]
    backing: Path | None = None
    """Raw image under a qcow2 overlay: named, so that libvirt need not probe for it."""


@dataclass(frozen=True, slots=True)
class Nic:
    """One tap on a bridge of the namespace in which the domain is created."""

    tap: str
    bridge: str
    mac: str
    mtu: int


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
    kernel: Path
    initramfs: Path
    command_line: str
    cpus: tuple[int, ...]
    """Host CPU of each virtual one."""
    memory_bytes: int
    disk: Disk
    nic: Nic | None
    channel: Path
    """Unix socket on which the host side of the agent's port is served."""
    console: Path
    """File that gets what the guest writes to its serial console."""
    flat_pci: bool = False
    """Put devices on the root bus: no bridges for the guest to find (fastest start)."""
    firmware: Path | None = None
    """A ROM in place of the machine's usual firmware."""
    own_files: bool = False
    """Tell a libvirt daemon to leave our files' owners alone and run QEMU as root: it would give
    the cached image, which all instances share, to its own user."""


def domain_xml(config: MachineConfig) -> str:
    """The domain of ``config``."""
    kind = "kvm" if config.accelerator == "kvm" else "qemu"
    domain = Element("domain", type=kind)
    _text(domain, "name", config.name)
    _text(domain, "memory", str(config.memory_bytes // 1024), unit="KiB")
    _text(domain, "vcpu", str(len(config.cpus)), placement="static")
    _pinning(domain, config)
    _boot(domain, config)
    _features(domain, config)
    _cpu(domain, config)
    _clock(domain, config)
    # A guest that reboots, powers off or crashes has ended: the box is one main process.
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        _text(domain, event, "destroy")
    _devices(domain, config)
    if config.own_files:
        label = SubElement(domain, "seclabel", type="static", model="dac", relabel="no")
        _text(label, "label", "+0:+0")
    return tostring(domain, encoding="unicode")


def _text(parent: Element, tag: str, text: str, **attributes: str) -> Element:
    element = SubElement(parent, tag, attributes)
    element.text = text
    return element


def _pinning(domain: Element, config: MachineConfig) -> None:
    tune = SubElement(domain, "cputune")
    for number, cpu in enumerate(config.cpus):
        SubElement(tune, "vcpupin", vcpu=str(number), cpuset=str(cpu))
    SubElement(tune, "emulatorpin", cpuset=",".join(map(str, config.cpus)))


def _boot(domain: Element, config: MachineConfig) -> None:
    system = SubElement(domain, "os")
    _text(system, "type", "hvm", arch=config.architecture, machine=config.machine)
    if config.firmware is not None:
        _text(system, "loader", str(config.firmware), type="rom")
    _text(system, "kernel", str(config.kernel))
    _text(system, "initrd", str(config.initramfs))
    _text(system, "cmdline", config.command_line)


def _features(domain: Element, config: MachineConfig) -> None:
    features = SubElement(domain, "features")
    SubElement(features, "acpi")  # the guest powers off through it
    if config.architecture == "aarch64":
        # GICv3 is what virt's default CPU interfaces allow in numbers; KVM offers the host's own.
        SubElement(features, "gic", version="host" if config.accelerator == "kvm" else "3")
    else:
        SubElement(features, "apic")


def _cpu(domain: Element, config: MachineConfig) -> None:
    if config.accelerator == "kvm":
        SubElement(domain, "cpu", mode="host-passthrough", check="none")
    else:
        SubElement(domain, "cpu", mode="maximum", check="none")


def _clock(domain: Element, config: MachineConfig) -> None:
    clock = SubElement(domain, "clock", offset="utc")
    if config.architecture != "aarch64":
        SubElement(clock, "timer", name="pit", tickpolicy="delay")
        SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
        SubElement(clock, "timer", name="hpet", present="no")


def _devices(domain: Element, config: MachineConfig) -> None:
    devices = SubElement(domain, "devices")
    _text(devices, "emulator", str(config.emulator))
    slots = iter(range(1, 16))

    def place(device: Element) -> None:
        if config.flat_pci:
            slot = f"{next(slots):#04x}"
            SubElement(
                device,
                "address",
                type="pci",
                domain="0x0000",
                bus="0x00",
                slot=slot,
                function="0x0",
            )

    place(_disk(devices, config.disk))
    if config.nic is not None:
        place(_interface(devices, config.nic))
    SubElement(devices, "controller", type="usb", model="none")
    place(SubElement(devices, "controller", type="virtio-serial", index="0"))
    _channel(devices, config.channel)
    _serial(devices, config.console)
    SubElement(devices, "memballoon", model="none")


def _disk(devices: Element, config: Disk) -> Element:
    disk = SubElement(devices, "disk", type="file", device="disk")
    SubElement(disk, "driver", name="qemu", type=config.format, cache="writeback")
    SubElement(disk, "source", file=str(config.path))
    if config.backing is not None:
        backing = SubElement(disk, "backingStore", type="file")
        SubElement(backing, "format", type="raw")
        SubElement(backing, "source", file=str(config.backing))
        SubElement(backing, "backingStore")
    SubElement(disk, "target", dev="vda", bus="virtio")
    return disk


def _interface(devices: Element, nic: Nic) -> Element:
    interface = SubElement(devices, "interface", type="bridge")
    SubElement(interface, "mac", address=nic.mac)
    SubElement(interface, "source", bridge=nic.bridge)
    SubElement(interface, "target", dev=nic.tap)
    SubElement(interface, "model", type="virtio")
    SubElement(interface, "mtu", size=str(nic.mtu))
    SubElement(interface, "rom", enabled="no")
    return interface


def _channel(devices: Element, socket: Path) -> None:
    channel = SubElement(devices, "channel", type="unix")
    SubElement(channel, "source", mode="bind", path=str(socket))
    SubElement(channel, "target", type="virtio", name=PORT_NAME)


def _serial(devices: Element, log: Path) -> None:
    serial = SubElement(devices, "serial", type="file")
    SubElement(serial, "source", path=str(log))
    SubElement(serial, "target", port="0")
