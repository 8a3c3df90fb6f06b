"""Disks put together without mounting are booted by real firmware: BIOS and UEFI."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.kvm import host
from runtimes.kvm.boot import initramfs, proof
from runtimes.kvm.boot.kernel import CONSOLES, choose
from runtimes.kvm.stock import bootable, files

LIMIT_S = 240.0
ROOT_BYTES = 128 << 20
NAME = host.architecture()
KINDS = ("bios", "uefi") if NAME == "x86_64" else ("uefi",)

pytestmark = pytest.mark.slow


def why_not(firmware: bootable.Firmware) -> str:
    try:
        host.emulator(NAME)
        choose()
        if firmware.kind == "uefi":
            host.uefi(NAME)
    except RuntimeFault as fault:
        return f"{fault} ({fault.hint})"
    return bootable.objection(firmware)


def boots(disk: Path, console: Path, firmware: bootable.Firmware) -> bool:
    machine = "q35" if NAME == "x86_64" else "virt"
    argv = [
        *(str(host.emulator(NAME)), "-machine", f"{machine},accel=tcg", "-cpu", "max"),
        *("-m", "512", "-display", "none", "-nodefaults", "-no-reboot"),
        *("-serial", f"file:{console}", "-drive", f"file={disk},format=raw,if=virtio"),
    ]
    if firmware.kind == "uefi":
        code, _ = host.uefi(NAME)
        argv += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
    child = process.spawn(argv, stderr=subprocess.DEVNULL)
    try:
        child.wait(LIMIT_S)
    finally:
        child.kill()
        child.wait()
    return proof.REACHED in console.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_firmware_grub_and_kernel_reach_user_space(kind: str, tmp_path: Path) -> None:
    firmware = bootable.Firmware(kind, NAME)
    if why_not(firmware):
        pytest.skip(why_not(firmware))
    boot = tmp_path / "tree/boot"
    (boot / "grub").mkdir(parents=True)
    shutil.copy(choose().image, boot / "vmlinuz")
    shutil.copy(initramfs.build_probe(tmp_path), boot / "initrd.img")
    menu = files.grub_menu("/boot/vmlinuz", "/boot/initrd.img", CONSOLES[NAME])
    (boot / "grub/grub.cfg").write_text(menu.replace(" quiet ", " quiet tb.probe "))
    disk = tmp_path / "disk"
    bootable.make(tmp_path / "tree", disk, ROOT_BYTES, firmware, tmp_path)
    console = tmp_path / "console"
    assert boots(disk, console, firmware), console.read_bytes()[-2000:]
