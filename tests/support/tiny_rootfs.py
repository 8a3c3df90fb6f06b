"""A root filesystem of the agent and busybox, made in a second: enough to start a box."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path

from runtimes.images.rootfs.rootfs import Rootfs
from tests.support import brought

BUSYBOX = Path("/bin/busybox")
_APPLETS = ("cat", "dd", "echo", "httpd", "id", "ls", "nc", "sh", "sleep", "wget")
_DIRECTORIES = (
    *("bin", "dev", "etc", "opt/tarebench", "proc", "root", "run", "sys", "tmp", "var/tmp"),
    "volume",
)


def missing() -> str:
    """Why it cannot be made here; empty where it can."""
    if not BUSYBOX.exists():
        return "busybox-static is not installed"
    if shutil.which("gcc") is None:
        return "there is no C compiler"
    return ""


def tiny_rootfs(where: Path) -> Rootfs:
    """Make it below ``where``: ``root/`` and ``rootfs.tar``."""
    root = where / "root"
    for name in _DIRECTORIES:
        (root / name).mkdir(parents=True)
    agent = root / "opt/tarebench/agent"
    brought.agent(agent)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for name in _APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    digest = "sha256:" + hashlib.sha256(agent.read_bytes()).hexdigest()
    (root / "opt/tarebench/rootfs.digest").write_text(digest + "\n")
    with tarfile.open(where / "rootfs.tar", "w") as tar:
        tar.add(root, ".")
    return rootfs_in(where)


def rootfs_in(where: Path) -> Rootfs:
    """The one that was made below ``where``."""
    root, archive = where / "root", where / "rootfs.tar"
    agent = root / "opt/tarebench/agent"
    programs = {
        f"/{file.relative_to(root)}": hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (agent, root / "bin/busybox")
    }
    return Rootfs(
        digest=(root / "opt/tarebench/rootfs.digest").read_text().strip(),
        directory=root,
        archive=archive,
        programs=programs,
        packages={},
        size_bytes=archive.stat().st_size,
        architecture="amd64",
    )
