"""Which profiles can be had where, and what a restored guest is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runtimes.base import InstanceSpec, Lease
from runtimes.faults import RuntimeFault
from runtimes.kvm import host
from runtimes.kvm.boot.kernel import Kernel
from runtimes.kvm.profiles.machine import Platform, Start
from runtimes.kvm.profiles.specs import PROFILES, SPECS
from runtimes.resources import Limits

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm import assets, preparation, saved  # needs libvirt


def refused(profile: str, architecture: str = "x86_64", *, daemon: bool = False) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        preparation.check(frozenset({profile}), architecture, daemon=daemon)
    assert caught.value.hint
    return caught.value


def test_an_unknown_profile_is_answered_with_those_there_are() -> None:
    assert "micro" in refused("warp").hint


def test_emulated_ide_exists_on_pcs_only() -> None:
    assert "aarch64" in str(refused("legacy", "aarch64"))


def test_without_a_general_kernel_legacy_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_fits(**_: object) -> None:
        raise RuntimeFault("no kernel for guests: 6.1-cloud lacks e1000")

    monkeypatch.setattr(assets, "choose", none_fits)
    assert "linux-image-amd64" in refused("legacy").hint


def test_without_9p_in_any_kernel_its_profile_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_fits(needed: tuple[str, ...]) -> None:
        raise RuntimeFault(f"no kernel for guests: 6.1-cloud lacks {needed[-2]}")

    monkeypatch.setattr(assets, "choose", none_fits)
    fault = refused("9p")
    assert "lacks 9p" in str(fault)
    assert "linux-image-amd64" in fault.hint


def test_without_virtiofsd_its_profile_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(assets, "kernel_for", lambda _: None)
    monkeypatch.setattr(host.virtiofsd, "__defaults__", ((tmp_path / "virtiofsd",),))
    fault = refused("virtiofs")
    assert "no virtiofsd" in str(fault)
    assert "apt-get install" in fault.hint


def test_a_host_without_qboot_starts_micro_by_the_usual_firmware_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host, "QBOOT", (tmp_path / "qboot.rom",))
    assert host.quick_firmware("x86_64") is None
    kernel = Kernel("6.1", tmp_path / "vmlinuz", tmp_path)
    lacking = Start(tmp_path / "image", tmp_path / "vmlinux", tmp_path / "initramfs")
    assert assets.started_by(lacking, kernel) == "plain kernel by the machine's own firmware"
    (tmp_path / "qboot.rom").touch()
    quick = replace(lacking, firmware=host.quick_firmware("x86_64"))
    assert assets.started_by(quick, kernel) == "plain kernel by qboot.rom"
    packed = replace(quick, kernel=kernel.image)
    assert assets.started_by(packed, kernel) == "packed kernel by qboot.rom"


def test_without_uefi_a_guest_that_needs_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host, "UEFI", {"aarch64": (), "x86_64": ()})
    for architecture, package in (("aarch64", "qemu-efi-aarch64"), ("x86_64", "ovmf")):
        with pytest.raises(RuntimeFault, match="no UEFI") as caught:
            host.uefi(architecture)
        assert package in caught.value.hint


def test_a_daemon_cannot_restore_our_states() -> None:
    assert "libvirt-uri" in refused("snapshot", daemon=True).hint


def test_without_grub_stock_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtimes.kvm.stock.bootable.objection", lambda _: "no grub-mkimage")
    assert "grub-pc-bin" in refused("stock").hint


def test_without_an_engine_on_the_host_docker_in_a_guest_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtimes.process.find", lambda name: None if name == "dockerd" else name)
    fault = refused("nested-docker")
    assert "there is no dockerd" in str(fault)
    assert "docker.io" in fault.hint


def test_every_profile_is_described_in_a_line() -> None:
    assert PROFILES.keys() == SPECS.keys()
    assert all(0 < len(summary) < 160 for summary in PROFILES.values())


def test_each_restored_guest_is_told_another_seed_its_address_and_the_time() -> None:
    platform = Platform(
        run="abc123",
        architecture="x86_64",
        accelerator="tcg",
        emulator=Path("/usr/bin/qemu"),
        bridge="tb0",
        daemon=False,
        gateway="198.19.0.1",
        prefix_length=24,
        range_length=15,
        mtu=1500,
    )
    lease = Lease(3, "198.19.0.5", "02:7b:00:00:00:05", 20003)
    spec = InstanceSpec("tb-abcdef-7", "snapshot", Limits((0,), 1.0, 1 << 28), lease)
    first, second = (saved.identity(platform, spec).decode().split() for _ in range(2))
    assert {"tb.host=tb-abcdef-7", "tb.ip=198.19.0.5/24", "tb.mac=02:7b:00:00:00:05"} <= set(first)
    seeds = {word for word in (*first, *second) if word.startswith("tb.seed=")}
    assert len(seeds) == 2
    assert all(len(seed) == len("tb.seed=") + 64 for seed in seeds)


def test_huge_pages_must_be_free_and_mounted(tmp_path: Path) -> None:
    free = tmp_path / "free_hugepages"
    free.write_text("128\n")
    mounted = "hugetlbfs /dev/hugepages hugetlbfs rw 0 0\n"
    assert host.has_huge_pages(256 << 20, free, mounted)
    assert not host.has_huge_pages(257 << 20, free, mounted)
    assert not host.has_huge_pages(256 << 20, free, "tmpfs /run tmpfs rw 0 0\n")
    assert not host.has_huge_pages(1, tmp_path / "missing", mounted)
