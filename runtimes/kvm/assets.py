"""What is made once per run from kernel and root filesystem, and is cached."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes.base import RuntimeFault, Site
from runtimes.images import initramfs
from runtimes.images.disk import disk_image
from runtimes.images.kernel import NEEDED, Kernel, choose, read_index, resolve
from runtimes.images.vmlinux import plain_kernel
from runtimes.process import run

DIGEST_PATH = "/opt/tarebench/rootfs.digest"
TOOL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Assets:
    """Files that all instances share; never written to."""

    kernel: Kernel
    plain_kernel: Path | None
    """The kernel uncompressed, for profiles that start quickly; None where it cannot be had."""
    initramfs: Path
    probe: Path
    image: Path
    """ext4 image of the root filesystem."""
    overlay: Path
    """Empty qcow2 overlay over ``image``: copied for each instance, 200 kB."""


def prepare(site: Site) -> Assets:
    """Find the kernel; make or find initramfs, image and overlay.

    Raises:
        RuntimeFault: no kernel, no space, or a tool is missing.
    """
    cache = site.cache / "kvm"
    kernel = choose()
    modules = resolve(read_index(kernel.modules), NEEDED)
    image = disk_image(site.rootfs, site.cache, "ext4", site.progress)
    return Assets(
        kernel=kernel,
        plain_kernel=plain_kernel(kernel.image, cache, site.progress),
        initramfs=initramfs.build(kernel, modules, cache, site.progress),
        probe=initramfs.build_probe(cache),
        image=image,
        overlay=_overlay(image, site.state / "empty.qcow2"),
    )


def _overlay(image: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    hint = "install QEMU's tools: apt-get install qemu-utils"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image), str(target)]
    run(argv, timeout_s=TOOL_TIMEOUT_S, hint=hint)
    return target


def bits(assets: Assets) -> Mapping[str, str]:
    """What each artefact is, read back from the artefact itself."""
    return {
        "rootfs": digest_in(assets.image),
        "kernel": f"{assets.kernel.release} {_sha256(assets.kernel.image)}",
        "initramfs": _sha256(assets.initramfs),
    }


def digest_in(image: Path) -> str:
    """The root filesystem's digest, from inside its ext4 image.

    Raises:
        RuntimeFault: it holds none.
    """
    argv = ["debugfs", "-R", f"cat {DIGEST_PATH}", str(image)]
    done = run(argv, timeout_s=TOOL_TIMEOUT_S, hint="apt-get install e2fsprogs")
    text = done.stdout.decode("ascii", "replace").strip()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text):
        raise RuntimeFault(f"{image} holds no {DIGEST_PATH}", hint="invoke clean --cache")
    return text


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
