"""A guest's devices as elements of its domain.  Pure; see ``xml``."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from runtimes.kvm.domain.config import Disk, MachineConfig, Nic, Share

PORT_NAME = "io.tarebench.agent"
"""The virtio-serial port on which the agent speaks; init finds it by this name."""

Place = Callable[[Element], None]


def add_devices(domain: Element, config: MachineConfig) -> None:
    """Append ``<devices>`` to ``domain``."""
    devices = SubElement(domain, "devices")
    SubElement(devices, "emulator").text = str(config.emulator)
    place = _placing(config)
    for disk in config.disks:
        place(_disk(devices, disk))
    if config.share is not None:
        place(_filesystem(devices, config.share))
    if config.nic is not None:
        place(_interface(devices, config.nic, mmio=config.mmio))
    usb = "qemu-xhci" if config.usual_devices else "none"
    SubElement(devices, "controller", type="usb", model=usb)
    place(SubElement(devices, "controller", type="virtio-serial", index="0"))
    _channel(devices, config.channel)
    _serial(devices, config.console)
    if config.usual_devices:
        random = SubElement(devices, "rng", model="virtio")
        SubElement(random, "backend", model="random").text = "/dev/urandom"
    SubElement(devices, "memballoon", model="virtio" if config.usual_devices else "none")


def _placing(config: MachineConfig) -> Place:
    """Gives a device its slot on the root bus, where devices have to be there."""
    slots = itertools.count(1)

    def place(device: Element) -> None:
        if config.mmio:
            SubElement(device, "address", type="virtio-mmio")
        elif config.flat_pci:
            slot = f"{next(slots):#04x}"
            place = {"domain": "0x0000", "bus": "0x00", "slot": slot, "function": "0x0"}
            SubElement(device, "address", {"type": "pci", **place})

    return place


def _disk(devices: Element, config: Disk) -> Element:
    disk = SubElement(devices, "disk", type="file", device="disk")
    driver = SubElement(disk, "driver", name="qemu", type=config.format)
    driver.set("cache", "none" if config.direct else "writeback")
    # A full disk is an error in the guest, as it is in a container; QEMU's default is to stop it.
    driver.set("error_policy", "report")
    if config.direct:
        driver.set("io", "native")
    if config.iothread:
        driver.set("iothread", "1")
    SubElement(disk, "source", file=str(config.path))
    if config.backing is not None:
        backing = SubElement(disk, "backingStore", type="file")
        SubElement(backing, "format", type="raw")
        SubElement(backing, "source", file=str(config.backing))
        SubElement(backing, "backingStore")
    SubElement(disk, "target", dev=config.target, bus=config.bus)
    if config.read_only:
        SubElement(disk, "readonly")
    return disk


def _filesystem(devices: Element, share: Share) -> Element:
    """Owners and modes are the host's own (passthrough), as in a bind mount."""
    shared = SubElement(devices, "filesystem", type="mount", accessmode="passthrough")
    if share.sharing == "virtiofs":
        SubElement(shared, "driver", type="virtiofs")
        SubElement(shared, "binary", path=str(share.daemon))
    else:
        SubElement(shared, "driver", type="path", wrpolicy="immediate")
    SubElement(shared, "source", dir=str(share.directory))
    SubElement(shared, "target", dir=share.tag)
    return shared


def _interface(devices: Element, nic: Nic, *, mmio: bool) -> Element:
    on_bridge = nic.way == "bridge"
    interface = SubElement(devices, "interface", type="bridge" if on_bridge else "ethernet")
    SubElement(interface, "mac", address=nic.mac)
    if on_bridge:
        SubElement(interface, "source", bridge=nic.bridge)
    target = SubElement(interface, "target", dev=nic.tap)
    if nic.way == "macvtap":
        target.set("managed", "no")
    SubElement(interface, "model", type=nic.model)
    if nic.vhost or nic.queues > 1:  # else libvirt takes vhost where it finds it
        driver = SubElement(interface, "driver", name="vhost" if nic.vhost else "qemu")
        driver.set("queues", str(nic.queues))
    if nic.model == "virtio":
        SubElement(interface, "mtu", size=str(nic.mtu))
    if not mmio:
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
