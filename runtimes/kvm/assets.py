"""What is made once per run from kernel and root filesystem, and is cached."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes import directories
from runtimes.base import Site
from runtimes.faults import RuntimeFault
from runtimes.images.disk import disk_image, empty_image
from runtimes.kvm import host
from runtimes.kvm.boot import initramfs
from runtimes.kvm.boot.kernel import NEEDED, Kernel, choose, read_index, resolve
from runtimes.kvm.boot.vmlinux import plain_kernel
from runtimes.kvm.nested import dockerhost, plans
from runtimes.kvm.profiles.machine import Start
from runtimes.kvm.profiles.specs import SPECS, ProfileSpec, VolumeKind
from runtimes.kvm.stock import stock_image
from runtimes.launcher import compiled
from runtimes.linux.disk.image import free_bytes, withheld_bytes
from runtimes.process import run

TOOL_TIMEOUT_S = 60.0

NESTED_NEEDED = (*NEEDED, "overlay", "veth", "bridge")
"""What a guest needs to make a container of its own."""

DOCKER_NEEDED = (
    *NESTED_NEEDED,
    *("br_netfilter", "nf_conntrack_netlink", "nf_tables", "nft_chain_nat", "nft_compat"),
    *("xt_MASQUERADE", "xt_addrtype", "xt_conntrack", "xt_nat", "xt_tcpudp"),
)
"""And what Docker's bridge with NAT needs, by iptables over nftables."""

LEGACY_NEEDED = ("virtio_pci", "virtio_console", "ata_piix", "sd_mod", "e1000", "ext4")
"""What a guest with emulated devices needs; kernels made for guests lack e1000."""

MMIO_NEEDED = ("virtio_mmio", *NEEDED[1:])
"""Without PCI."""

SHARE_NEEDED: Mapping[VolumeKind, tuple[str, ...]] = {
    "9p": ("9p", "9pnet_virtio"),
    "virtiofs": ("virtiofs",),
}
"""What a guest needs beside its disks to mount a directory of the host's; kernels made for guests
lack 9p."""

GENERAL_HINT = (
    "install the distribution's general kernel: apt-get install linux-image-amd64 "
    "(linux-image-arm64 on aarch64; linux-image-generic on Ubuntu)"
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What guests of one profile start from, and the empty overlay that each gets a copy of."""

    start: Start
    overlay: Path
    """qcow2 over ``start.image``, 200 kB."""
    kernel: str
    """Release of the kernel that they run."""
    taken_bytes: int = 0
    """What of the root's disk can not be written to any more."""


@dataclass(frozen=True, slots=True)
class Assets:
    """Files that all instances share; never written to."""

    kernel: Kernel
    """Of the profiles that have no other; the one that the probe boots."""
    probe: Path
    profiles: Mapping[str, Prepared]


def prepare(site: Site, profiles: frozenset[str], architecture: str) -> Assets:
    """Find kernels; make or find initramfs, images and overlays for ``profiles``.

    Raises:
        RuntimeFault: no kernel, no space, or a tool is missing.
    """
    cache = site.cache / "kvm"
    kernel = choose()
    made: dict[str, Prepared] = {}
    for name in sorted(profiles):
        start, release = _start(site, SPECS[name], kernel, architecture)
        overlay = _overlay(start.image, site.state / f"empty-{name}.qcow2")
        made[name] = Prepared(start, overlay, release, _taken_bytes(start))
    return Assets(kernel, initramfs.build_probe(cache), made)


def _start(site: Site, shape: ProfileSpec, kernel: Kernel, architecture: str) -> tuple[Start, str]:
    if shape.start == "disk":
        return _from_disk(site, architecture)
    if shape.nested == "ns":
        return _around_ns(site, kernel_for(shape))
    if shape.nested == "docker":
        return _with_docker(site, kernel_for(shape))
    if shape.quick:
        firmware = None if shape.mmio else host.quick_firmware(architecture)
        return _quick(site, kernel, needed(shape), firmware)
    drivers = needed(shape)
    return _direct(site, kernel if drivers == NEEDED else kernel_for(shape), drivers)


def _taken_bytes(start: Start) -> int:
    """Read back from the image: its files, and what the file system has for itself."""
    size = start.image.stat().st_size
    fd = os.open(start.image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        free = free_bytes(fd, start.offset_bytes)
    finally:
        os.close(fd)
    return size - free + withheld_bytes(size - start.offset_bytes)


def needed(shape: ProfileSpec) -> tuple[str, ...]:
    """Drivers of a guest that is started by its kernel."""
    if shape.bus == "ide":
        return LEGACY_NEEDED
    if shape.nested:
        return NESTED_NEEDED if shape.nested == "ns" else DOCKER_NEEDED
    if shape.mmio:
        return MMIO_NEEDED
    return (*NEEDED, *SHARE_NEEDED.get(shape.volume, ()))


def kernel_for(shape: ProfileSpec) -> Kernel:
    """A kernel with the drivers that ``shape`` needs.

    Raises:
        RuntimeFault: none is installed.
    """
    try:
        return choose(needed=needed(shape))
    except RuntimeFault as fault:
        raise RuntimeFault(str(fault), hint=GENERAL_HINT) from None


def _direct(site: Site, kernel: Kernel, drivers: tuple[str, ...]) -> tuple[Start, str]:
    modules = resolve(read_index(kernel.modules), drivers)
    image = disk_image(
        site.rootfs, site.cache, "ext4", site.progress, limit_bytes=site.limits.disk_bytes
    )
    made = initramfs.build(kernel, modules, site.cache / "kvm", site.progress)
    return Start(image, kernel.image, made), kernel.release


def _quick(
    site: Site, kernel: Kernel, drivers: tuple[str, ...], firmware: Path | None
) -> tuple[Start, str]:
    """The kernel uncompressed and a firmware that only starts it, as far as they can be had.

    microvm comes with a firmware of that kind; under qboot its kernel waits for clocks that this
    machine does not have.
    """
    usual, release = _direct(site, kernel, drivers)
    plain = plain_kernel(kernel.image, site.cache / "kvm", site.progress)
    return Start(usual.image, plain or usual.kernel, usual.initramfs, firmware), release


def _around_ns(site: Site, kernel: Kernel) -> tuple[Start, str]:
    """The shared image as the inner box's lower layer, an empty disk as the guest's own root."""
    modules = resolve(read_index(kernel.modules), NESTED_NEEDED)
    launcher = compiled(site.cache, site.progress)
    programs = [initramfs.regular("launcher", launcher.read_bytes(), 0o755)]
    made = initramfs.build(kernel, modules, site.cache / "kvm", site.progress, programs)
    lower = disk_image(site.rootfs, site.cache, "ext4", site.progress)
    empty = empty_image(
        plans.directories(), site.cache, site.progress, limit_bytes=site.limits.disk_bytes
    )
    return Start(empty, kernel.image, made, lower=lower), kernel.release


def _with_docker(site: Site, kernel: Kernel) -> tuple[Start, str]:
    modules = resolve(read_index(kernel.modules), DOCKER_NEEDED)
    made = initramfs.build(kernel, modules, site.cache / "kvm", site.progress)
    host = dockerhost.docker_host(site)
    start = Start(
        host.disk,
        kernel.image,
        made,
        nested_image=host.image,
        digest_path=host.digest_path,
    )
    return start, kernel.release


def _from_disk(site: Site, architecture: str) -> tuple[Start, str]:
    stock = stock_image(
        site.rootfs, architecture, site.cache, site.progress, limit_bytes=site.limits.disk_bytes
    )
    release = stock.kernel.rsplit("vmlinuz-", 1)[-1]
    if stock.firmware.kind == "bios":
        return Start(stock.disk, offset_bytes=stock.offset_bytes), release
    code, variables = host.uefi(architecture)
    start = Start(stock.disk, firmware=code, variables=variables, offset_bytes=stock.offset_bytes)
    return start, release


def _overlay(image: Path, target: Path) -> Path:
    directories.closed(target.parent)
    target.unlink(missing_ok=True)
    hint = "install QEMU's tools: apt-get install qemu-utils"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image), str(target)]
    run(argv, timeout_s=TOOL_TIMEOUT_S, hint=hint)
    return target


def bits(assets: Assets) -> Mapping[str, str]:
    """What each artefact is, read back from the artefact itself."""
    found = {"kernel": f"{assets.kernel.release} {_sha256(assets.kernel.image)}"}
    for name, prepared in assets.profiles.items():
        found["rootfs"] = digest_in(prepared.start)
        if SPECS[name].start == "disk":
            found[f"{name} kernel"] = prepared.kernel
            continue
        if SPECS[name].quick:
            found[f"{name} start"] = started_by(prepared.start, assets.kernel)
        if prepared.start.initramfs is not None:
            found[f"{name} initramfs"] = _sha256(prepared.start.initramfs)
        if prepared.kernel != assets.kernel.release:
            found[f"{name} kernel"] = prepared.kernel
    return found


def started_by(start: Start, kernel: Kernel) -> str:
    """How quick guests start; what makes them quick may be lacking here."""
    form = "packed" if start.kernel == kernel.image else "plain"
    firmware = start.firmware.name if start.firmware else "the machine's own firmware"
    return f"{form} kernel by {firmware}"


def digest_in(start: Start) -> str:
    """The shared root filesystem's digest, from inside the ext4 file system of a disk.

    Raises:
        RuntimeFault: it holds none.
    """
    image = start.lower or start.image
    argv = ["debugfs", "-R", f"cat {start.digest_path}", f"{image}?offset={start.offset_bytes}"]
    done = run(argv, timeout_s=TOOL_TIMEOUT_S, hint="apt-get install e2fsprogs")
    text = done.stdout.decode("ascii", "replace").strip()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text):
        raise RuntimeFault(f"{image} holds no {start.digest_path}", hint="invoke clean --cache")
    return text


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
