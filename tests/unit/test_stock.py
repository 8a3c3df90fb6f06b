"""The full VM's tree and disk, as far as they can be judged without building one."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.kvm.domain.devices import PORT_NAME
from runtimes.kvm.domain.xml import IDENTITY
from runtimes.kvm.guest.console import USER_SPACE
from runtimes.kvm.stock import bootable, files, tree

MIB = 1 << 20


def test_the_boot_sectors_hold_one_active_linux_partition() -> None:
    sectors = bootable.boot_sectors(b"\x90" * 512, b"core", MIB, 8 * MIB)
    assert sectors[510:512] == b"\x55\xaa"
    active, kind, start, size = struct.unpack_from("<B3xB3xII", sectors, 446)
    assert (active, kind, start, size) == (0x80, 0x83, 2048, 16384)
    assert sectors[462:510] == bytes(48), "other partitions"
    assert sectors[512:516] == b"core", "boot.img loads its core from sector 1"


def test_a_core_image_that_does_not_fit_is_refused() -> None:
    with pytest.raises(RuntimeFault, match="too large"):
        bootable.boot_sectors(bytes(512), bytes(MIB), MIB, MIB)


@pytest.mark.parametrize(
    ("architecture", "kind", "grub", "offset"),
    [("x86_64", "bios", "i386-pc", MIB), ("aarch64", "uefi", "arm64-efi", 17 * MIB)],
)
def test_each_architecture_boots_by_its_usual_firmware(
    architecture: str, kind: str, grub: str, offset: int
) -> None:
    firmware = bootable.firmware_for(architecture)
    assert (firmware.kind, firmware.grub, firmware.root_offset_bytes) == (kind, grub, offset)


def test_what_is_missing_to_make_a_disk_is_named(tmp_path: Path) -> None:
    assert "GRUB for arm64-efi" in bootable.objection(bootable.firmware_for("aarch64"), tmp_path)


def test_both_sides_of_the_guest_agree_on_names() -> None:
    assert files.PORT == PORT_NAME
    assert files.IDENTITY == IDENTITY
    assert files.USER_SPACE.encode() == USER_SPACE
    init = Path(tree.__file__).parents[1] / "boot" / "init" / "init.c"
    assert f'"{files.USER_SPACE}"' in init.read_text()


def test_the_newest_kernel_is_found_by_number_not_by_letter(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    for release in ("6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64"):
        (tmp_path / f"boot/vmlinuz-{release}").touch()
    assert tree.newest(tmp_path, "boot/vmlinuz-*") == "/boot/vmlinuz-6.1.0-56-cloud-amd64"
    with pytest.raises(RuntimeFault, match=r"no boot/initrd\.img"):
        tree.newest(tmp_path, "boot/initrd.img-*")


def test_only_what_no_package_brought_is_copied(tmp_path: Path) -> None:
    shared, made = tmp_path / "shared", tmp_path / "made"
    for root in (shared, made):
        (root / "opt/tarebench").mkdir(parents=True)
        (root / "etc").mkdir()
    (shared / "etc/conf").write_text("ours")
    (made / "etc/conf").write_text("the package's")
    (shared / "opt/tarebench/agent").write_bytes(b"agent")
    (shared / "opt/tarebench/rootfs.digest").write_text("sha256:1\n")
    (made / "opt/tarebench/rootfs.digest").write_text("sha256:2\n")
    (shared / "link").symlink_to("etc/conf")
    tree.copy_missing(shared, made)
    assert (made / "etc/conf").read_text() == "the package's"
    assert (made / "opt/tarebench/agent").read_bytes() == b"agent"
    assert (made / "opt/tarebench/rootfs.digest").read_text() == "sha256:1\n"
    assert (made / "link").is_symlink()


def test_servers_of_workloads_do_not_start_by_themselves(tmp_path: Path) -> None:
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    for unit in ("nginx.service", "ssh.service"):
        (wants / unit).symlink_to(f"/lib/systemd/system/{unit}")
    tree._furnish(tmp_path)
    left = sorted(path.name for path in wants.iterdir())
    assert left == ["ssh.service", "tarebench-agent.service"]


def test_a_program_that_differs_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_bytes(b"new")
    rootfs = Rootfs(
        digest="sha256:0",
        directory=tmp_path,
        archive=tmp_path / "tar",
        programs={"/bin/tool": hashlib.sha256(b"old").hexdigest()},
        packages={},
        size_bytes=3,
        architecture="amd64",
    )
    with pytest.raises(RuntimeFault, match="1 programs of the full VM differ") as caught:
        tree._compare(rootfs, tmp_path)
    assert "clean --cache" in caught.value.hint
