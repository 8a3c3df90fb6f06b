"""Domain XML, as pure functions of a typed configuration.

Elements are documented at https://libvirt.org/formatdomain.html; the tests validate what is
built here against libvirt's own schema (domain.rng).
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from runtimes.kvm.domain.config import MachineConfig, Uefi
from runtimes.kvm.domain.devices import add_devices
from runtimes.kvm.domain.topology import Topology

IDENTITY = "opt/io.tarebench/identity"
"""Entry of QEMU's fw_cfg: see runtimes.kvm.stock.files."""

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"

CPU_BY_PROPERTIES = "cpu-unavailable-features"
"""QEMU's capability by which libvirt reads a guest's CPU back one property at a time, in some 400
questions.  Without it two will do: docs/adr/0034-what-micro-leaves-out.md."""

TRANSLATION_MIB = 128
"""Of an emulator: room for translated code.  QEMU would take 1 GiB; a guest of ours has some 40 to
60 MiB translated by the time it is up."""

BYTEWISE = "erms"
"""CPU feature: moving bytes is as fast as moving words.  A kernel believes it; the emulator, which
offers it, moves them one by one."""


def domain_xml(config: MachineConfig, arguments: tuple[str, ...] = ()) -> str:
    """The domain of ``config``.

    Args:
        config: the guest.
        arguments: words for QEMU's own command line, for what libvirt has no element.
    """
    kind = "kvm" if config.accelerator == "kvm" else "qemu"
    domain = Element("domain", type=kind)
    _text(domain, "name", config.name)
    _text(domain, "memory", str(config.memory_bytes // 1024), unit="KiB")
    _memory(domain, config)
    _text(domain, "vcpu", str(len(config.cpus)), placement="static")
    if any(disk.iothread for disk in config.disks):
        _text(domain, "iothreads", "1")
    _pinning(domain, config)
    if config.identity:
        sysinfo = SubElement(domain, "sysinfo", type="fwcfg")
        _text(sysinfo, "entry", config.identity, name=IDENTITY)
    _boot(domain, config)
    _features(domain, config)
    _cpu(domain, config)
    _clock(domain, config)
    # A guest that reboots, powers off or crashes has ended: the box is one main process.
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        _text(domain, event, "destroy")
    add_devices(domain, config)
    if config.own_files:
        label = SubElement(domain, "seclabel", type="static", model="dac", relabel="no")
        _text(label, "label", "+0:+0")
    if config.quick:
        capabilities = SubElement(domain, f"{{{QEMU_NAMESPACE}}}capabilities")
        name = CPU_BY_PROPERTIES
        SubElement(capabilities, f"{{{QEMU_NAMESPACE}}}del", capability=name)
    _arguments(domain, arguments)
    return tostring(domain, encoding="unicode")


def _text(parent: Element, tag: str, text: str, **attributes: str) -> Element:
    element = SubElement(parent, tag, attributes)
    element.text = text
    return element


def _memory(domain: Element, config: MachineConfig) -> None:
    """Where the guest's memory comes from, if not from QEMU's own heap."""
    shared = config.share is not None and config.share.sharing == "virtiofs"
    if not (shared or config.huge_pages):
        return
    backing = SubElement(domain, "memoryBacking")
    if config.huge_pages:
        SubElement(backing, "hugepages")
    if shared:  # virtiofsd reads and writes it, too
        SubElement(backing, "source", type="memfd")
        SubElement(backing, "access", mode="shared")


def _set(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def _pinning(domain: Element, config: MachineConfig) -> None:
    """All on the box's CPUs, which QEMU's cgroup enforces anyway; one by one where pinned."""
    nodes = config.topology.nodes if config.topology else ()
    if not config.pinned:
        return
    tune = SubElement(domain, "cputune")
    for number, cpu in enumerate(config.cpus):
        SubElement(tune, "vcpupin", vcpu=str(number), cpuset=str(cpu))
    SubElement(tune, "emulatorpin", cpuset=_set(config.cpus))
    if any(disk.iothread for disk in config.disks):
        SubElement(tune, "iothreadpin", iothread="1", cpuset=_set(config.cpus))
    if nodes:
        numa = SubElement(domain, "numatune")
        SubElement(numa, "memory", mode="strict", nodeset=_set(tuple(node for node, _ in nodes)))
        if len(nodes) > 1:
            for cell, (node, _) in enumerate(nodes):
                SubElement(numa, "memnode", cellid=str(cell), mode="strict", nodeset=str(node))


def _boot(domain: Element, config: MachineConfig) -> None:
    system = SubElement(domain, "os")
    _text(system, "type", "hvm", arch=config.architecture, machine=config.machine)
    match config.firmware:
        case Uefi():
            code, template = str(config.firmware.code), str(config.firmware.template)
            _text(system, "loader", code, readonly="yes", type="pflash")
            _text(system, "nvram", str(config.firmware.variables), template=template)
        case Path():
            _text(system, "loader", str(config.firmware), type="rom")
        case None:
            pass
    if config.boot is None:
        SubElement(system, "boot", dev="hd")
        return
    _text(system, "kernel", str(config.boot.kernel))
    _text(system, "initrd", str(config.boot.initramfs))
    _text(system, "cmdline", config.boot.command_line)


def _features(domain: Element, config: MachineConfig) -> None:
    features = SubElement(domain, "features")
    SubElement(features, "acpi")  # the guest powers off through it
    if config.architecture == "aarch64":
        # GICv3 is what virt's default CPU interfaces allow in numbers; KVM offers the host's own.
        SubElement(features, "gic", version="host" if config.accelerator == "kvm" else "3")
    else:
        SubElement(features, "apic")
    if config.accelerator == "tcg":
        cache = SubElement(SubElement(features, "tcg"), "tb-cache", unit="MiB")
        cache.text = str(TRANSLATION_MIB)


def _cpu(domain: Element, config: MachineConfig) -> None:
    if not config.host_cpu and config.architecture == "x86_64":
        return
    passthrough = config.accelerator == "kvm"
    mode = "host-passthrough" if passthrough else "maximum"
    cpu = SubElement(domain, "cpu", mode=mode, check="none")
    if config.quick and not passthrough and config.architecture == "x86_64":
        SubElement(cpu, "feature", policy="disable", name=BYTEWISE)
    topology = config.topology
    if topology is None:
        return
    counts = {"sockets": topology.sockets, "cores": topology.cores, "threads": topology.threads}
    SubElement(cpu, "topology", {name: str(count) for name, count in counts.items()})
    if passthrough and config.architecture == "x86_64":
        SubElement(cpu, "cache", mode="passthrough")
    _cells(cpu, config, topology)


def _cells(cpu: Element, config: MachineConfig, topology: Topology) -> None:
    """The host's nodes as the guest's, its memory in equal parts."""
    if len(topology.nodes) < 2:
        return
    numa = SubElement(cpu, "numa")
    part_kib = config.memory_bytes // 1024 // len(topology.nodes)
    first_kib = config.memory_bytes // 1024 - part_kib * (len(topology.nodes) - 1)
    for cell, (_, numbers) in enumerate(topology.nodes):
        memory = str(part_kib if cell else first_kib)
        SubElement(numa, "cell", id=str(cell), cpus=_set(numbers), memory=memory, unit="KiB")


def _clock(domain: Element, config: MachineConfig) -> None:
    clock = SubElement(domain, "clock", offset="utc")
    if config.architecture != "aarch64" and not config.mmio:
        SubElement(clock, "timer", name="pit", tickpolicy="delay")
        SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
        SubElement(clock, "timer", name="hpet", present="no")


def _arguments(domain: Element, arguments: tuple[str, ...]) -> None:
    if arguments:
        command = SubElement(domain, f"{{{QEMU_NAMESPACE}}}commandline")
        for word in arguments:
            SubElement(command, f"{{{QEMU_NAMESPACE}}}arg", value=word)
