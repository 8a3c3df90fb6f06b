"""A disk that firmware can boot, put together without loop devices and without mounting.

::

    BIOS (x86_64)   MBR: GRUB's boot.img, its core.img right behind, then partition 1 (ext4)
    UEFI (aarch64)  GPT: partition 1 (FAT, GRUB as BOOTAA64.EFI), partition 2 (ext4)

GRUB's core image finds the menu on the root file system by its label.  ``mke2fs -E offset`` makes
the file system inside the disk's file.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.kvm.stock.files import LABEL

SECTOR_BYTES = 512
ALIGNMENT_BYTES = 1 << 20
"""Where the first partition begins: what every partitioning tool does since 2010."""

ESP_BYTES = 16 << 20
TIMEOUT_S = 120.0
BOOT_CODE_BYTES = 440
"""Of the MBR; the partition table is behind it."""

DISK_ID = 0x7A7E0001
ROOT_UUID = "7a7e0000-0000-4000-8000-000000000002"

EFI_NAMES: Mapping[str, tuple[str, str]] = {
    "x86_64": ("x86_64-efi", "BOOTX64.EFI"),
    "aarch64": ("arm64-efi", "BOOTAA64.EFI"),
}
"""Architecture → GRUB's platform, and the file that firmware boots by default."""

MODULES = ("part_msdos", "part_gpt", "ext2", "search", "search_label", "linux", "normal", "boot")

HINT = (
    "apt-get install grub-common grub-pc-bin "
    "(on aarch64: grub-common grub-efi-arm64-bin mtools dosfstools fdisk qemu-efi-aarch64)"
)


@dataclass(frozen=True, slots=True)
class Firmware:
    """How a machine is started."""

    kind: str
    """``bios`` or ``uefi``."""
    architecture: str

    @property
    def grub(self) -> str:
        """Directory below /usr/lib/grub."""
        return "i386-pc" if self.kind == "bios" else EFI_NAMES[self.architecture][0]

    @property
    def root_offset_bytes(self) -> int:
        """Where on the disk the root file system begins."""
        return ALIGNMENT_BYTES + (ESP_BYTES if self.kind == "uefi" else 0)


def firmware_for(architecture: str) -> Firmware:
    """BIOS on x86_64, which is libvirt's default; aarch64 has UEFI only."""
    return Firmware("bios" if architecture == "x86_64" else "uefi", architecture)


def objection(firmware: Firmware, grub: Path = Path("/usr/lib/grub")) -> str:
    """Why no bootable disk can be made here; empty if it can."""
    tools = [
        "grub-mkimage",
        "mke2fs",
        *(["mcopy", "mkfs.vfat", "sfdisk"] if firmware.kind == "uefi" else []),
    ]
    lacking = [tool for tool in tools if process.find(tool) is None]
    if not (grub / firmware.grub / "kernel.img").is_file():
        lacking.append(f"GRUB for {firmware.grub}")
    return f"no {', '.join(lacking)}" if lacking else ""


def make(tree: Path, disk: Path, root_bytes: int, firmware: Firmware, scratch: Path) -> None:
    """Write the disk of ``tree`` to ``disk`` (sparse).

    Raises:
        RuntimeFault: a tool is missing or failed.
    """
    lacking = objection(firmware)
    if lacking:
        raise RuntimeFault(f"cannot make a bootable disk: {lacking}", hint=HINT)
    start = firmware.root_offset_bytes
    size = start + root_bytes + ALIGNMENT_BYTES  # the spare copy of a GPT stands at the end
    with disk.open("wb") as file:
        file.truncate(size)
    core = _core_image(firmware, scratch)
    if firmware.kind == "bios":
        boot = (Path("/usr/lib/grub") / firmware.grub / "boot.img").read_bytes()
        with disk.open("r+b") as file:
            file.write(boot_sectors(boot, core.read_bytes(), start, root_bytes))
    else:
        _partition_gpt(disk, root_bytes)
        _efi_system_partition(disk, core, firmware)
    _file_system(tree, disk, start, root_bytes)


def boot_sectors(boot: bytes, core: bytes, start: int, size: int) -> bytes:
    """The bytes before the first partition: boot code, partition table, GRUB's core image.

    boot.img loads from sector 1, core.img's own first sector the rest from sector 2: the defaults
    of both, so nothing needs patching.

    Raises:
        RuntimeFault: the core image does not fit.
    """
    if SECTOR_BYTES + len(core) > start:
        raise RuntimeFault(f"GRUB's core image is too large: {len(core)} bytes")
    linux, active = 0x83, 0x80
    entry = struct.pack(
        "<B3sB3sII",
        *(active, b"\xfe\xff\xff", linux, b"\xfe\xff\xff"),  # no CHS address: LBA counts
        *(start // SECTOR_BYTES, size // SECTOR_BYTES),
    )
    head = boot[:BOOT_CODE_BYTES] + struct.pack("<IH", DISK_ID, 0) + entry + bytes(48) + b"\x55\xaa"
    return head + core


def _core_image(firmware: Firmware, scratch: Path) -> Path:
    early = scratch / "early.cfg"
    early.write_text(
        f"search --no-floppy --label {LABEL} --set=root\nset prefix=($root)/boot/grub\n"
    )
    core = scratch / "core.img"
    disk = ("biosdisk",) if firmware.kind == "bios" else ("fat",)
    argv = ["grub-mkimage", "-O", firmware.grub, "-c", str(early), "-o", str(core)]
    process.run([*argv, "-p", "/boot/grub", *disk, *MODULES], timeout_s=TIMEOUT_S, hint=HINT)
    return core


def _partition_gpt(disk: Path, root_bytes: int) -> None:
    esp = f"start={ALIGNMENT_BYTES // SECTOR_BYTES}, size={ESP_BYTES // SECTOR_BYTES}, type=U"
    table = f"label: gpt\n{esp}\nsize={root_bytes // SECTOR_BYTES}, type=L\n"
    argv = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(disk)]
    process.run(argv, stdin=table.encode(), timeout_s=TIMEOUT_S, hint="apt-get install fdisk")


def _efi_system_partition(disk: Path, core: Path, firmware: Firmware) -> None:
    name = EFI_NAMES[firmware.architecture][1]
    sectors, blocks = str(ALIGNMENT_BYTES // SECTOR_BYTES), str(ESP_BYTES // 1024)
    argv = ["mkfs.vfat", "-F", "16", "-i", "7A7E0003", "--offset", sectors, str(disk), blocks]
    process.run(argv, timeout_s=TIMEOUT_S, hint=HINT)
    image = f"{disk}@@{ALIGNMENT_BYTES}"
    process.run(["mmd", "-i", image, "::/EFI", "::/EFI/BOOT"], timeout_s=TIMEOUT_S, hint=HINT)
    where = f"::/EFI/BOOT/{name}"
    process.run(["mcopy", "-i", image, str(core), where], timeout_s=TIMEOUT_S, hint=HINT)


def _file_system(tree: Path, disk: Path, start: int, size: int) -> None:
    extended = f"offset={start},root_owner=0:0,lazy_itable_init=1,nodiscard"
    argv = [
        *("mke2fs", "-q", "-F", "-t", "ext4", "-d", str(tree), "-b", "4096", "-m", "0"),
        *("-L", LABEL, "-U", ROOT_UUID, "-E", extended, "-J", "size=16"),
        *(str(disk), f"{size // 1024}k"),
    ]
    process.run(argv, timeout_s=TIMEOUT_S, hint="apt-get install e2fsprogs")
