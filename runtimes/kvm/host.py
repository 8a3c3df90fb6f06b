"""What this host offers for virtual machines: architecture, QEMU, kind of virtualisation."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.process import find

QBOOT = (Path("/usr/share/qemu/qboot.rom"), Path("/usr/share/qboot/bios.bin"))
"""Where distributions put qboot: a firmware that does nothing but start a kernel."""

UEFI: Mapping[str, tuple[tuple[str, str], ...]] = {
    "aarch64": (
        ("/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
        ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ),
    "x86_64": (
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ),
}
"""Where Debian and Ubuntu put UEFI for guests: code, and variables as delivered."""

VIRTIOFSD = (
    Path("/usr/libexec/virtiofsd"),
    Path("/usr/lib/qemu/virtiofsd"),
    Path("/usr/lib/virtiofsd"),
)
"""Where distributions put the server of shared directories; it is not meant for anyone's PATH."""

THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")
HUGE_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
HUGE_PAGE_BYTES = 2 << 20
VHOST = Path("/dev/vhost-net")

QEMU_USER = "libvirt-qemu"
"""Debian's libvirt looks this user up before it reads a configuration that names another."""

ALIASES = {"arm64": "aarch64", "amd64": "x86_64"}


@dataclass(frozen=True, slots=True)
class Virtualisation:
    """How the processor, and whoever is below us, virtualise."""

    kind: str
    """``vmx``, ``svm``, ``arm``, ``pvm`` (KVM in software) or ``none``."""
    nested: bool
    """This host is itself a guest."""


def architecture(machine: str | None = None) -> str:
    """Architecture of this host, as QEMU and libvirt spell it.

    Raises:
        RuntimeFault: one that is not supported.
    """
    name = machine or os.uname().machine
    name = ALIASES.get(name, name)
    if name not in {"x86_64", "aarch64"}:
        raise RuntimeFault(f"guests on {name} are not supported: x86_64 and aarch64 are")
    return name


def emulator(name: str) -> Path:
    """QEMU for architecture ``name``.

    Raises:
        RuntimeFault: it is not installed.
    """
    path = find(f"qemu-system-{name}")
    if path is None:
        package = "qemu-system-x86" if name == "x86_64" else "qemu-system-arm"
        raise RuntimeFault(f"no qemu-system-{name}", hint=f"apt-get install {package}")
    return path


def has_qemu_user(release: Path = Path("/etc/debian_version")) -> bool:
    """Whether QEMU_USER exists where libvirt is built to need it (Debian, Ubuntu)."""
    if not release.exists():
        return True
    try:
        pwd.getpwnam(QEMU_USER)
    except KeyError:
        return False
    return True


def quick_firmware(architecture_name: str) -> Path | None:
    """qboot, on x86_64; ``None`` where there is none (aarch64's virt needs no firmware at all)."""
    if architecture_name != "x86_64":
        return None
    return next((path for path in QBOOT if path.is_file()), None)


def uefi(architecture_name: str) -> tuple[Path, Path]:
    """UEFI for guests: its code, and its variables as delivered.

    Raises:
        RuntimeFault: it is not installed.
    """
    for code, variables in UEFI[architecture_name]:
        if Path(code).is_file() and Path(variables).is_file():
            return Path(code), Path(variables)
    package = "ovmf" if architecture_name == "x86_64" else "qemu-efi-aarch64"
    raise RuntimeFault("no UEFI firmware for guests", hint=f"apt-get install {package}")


def tsc_khz(cpuinfo: str) -> int:
    """Rate of the processors' counter from /proc/cpuinfo, in kHz; 0 where it has none."""
    found = re.search(r"^cpu MHz\s*:\s*(\d+(?:\.\d+)?)\s*$", cpuinfo, re.MULTILINE)
    return round(float(found[1]) * 1000) if found else 0


def huge_page_rule(enabled: Path = THP) -> str:
    """The bracketed word of ``always [madvise] never``; empty where the kernel has no such rule."""
    try:
        found = re.search(r"\[(always|madvise|never)\]", enabled.read_text())
    except OSError:
        return ""
    return found[1] if found else ""


def virtiofsd(places: tuple[Path, ...] = VIRTIOFSD) -> Path:
    """The program that serves a directory to a guest by virtiofs.

    Raises:
        RuntimeFault: it is not installed.
    """
    found = next((path for path in places if os.access(path, os.X_OK)), None)
    if found is None:
        raise RuntimeFault(
            "no virtiofsd, which kvm:virtiofs is about",
            hint="apt-get install virtiofsd (Debian 12: qemu-system-common has it)",
        )
    return found


def has_huge_pages(wanted_bytes: int, free: Path = HUGE_PAGES, mounts: str = "") -> bool:
    """Whether so much memory is free in huge pages, and hugetlbfs is mounted for QEMU's use."""
    text = mounts or Path("/proc/self/mounts").read_text(errors="replace")
    try:
        enough = int(free.read_text()) * HUGE_PAGE_BYTES >= wanted_bytes
    except (OSError, ValueError):
        return False
    return enough and any(line.split()[2:3] == ["hugetlbfs"] for line in text.splitlines())


def virtualisation(cpuinfo: str, modules: frozenset[str], architecture_name: str) -> Virtualisation:
    """From /proc/cpuinfo, the names in /sys/module and the architecture."""
    found = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = frozenset(found[1].split()) if found else frozenset[str]()
    nested = "hypervisor" in flags
    if "kvm_pvm" in modules:
        return Virtualisation("pvm", nested)
    if architecture_name == "aarch64":
        return Virtualisation("arm" if "kvm" in modules else "none", nested)
    kind = next((flag for flag in ("vmx", "svm") if flag in flags), "none")
    return Virtualisation(kind, nested)


def read_virtualisation(architecture_name: str) -> Virtualisation:
    """``virtualisation`` of this host."""
    modules = Path("/sys/module")
    names = (
        frozenset(entry.name for entry in modules.iterdir()) if modules.is_dir() else frozenset()
    )
    cpuinfo = Path("/proc/cpuinfo").read_text(errors="replace")
    return virtualisation(cpuinfo, names, architecture_name)


def named(names: frozenset[str], proc: Path = Path("/proc")) -> tuple[int, ...]:
    """Processes called one of ``names``, ascending."""
    found = []
    for comm in proc.glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # gone meanwhile
            if comm.read_text().strip() in names:
                found.append(int(comm.parent.name))
    return tuple(sorted(found))
