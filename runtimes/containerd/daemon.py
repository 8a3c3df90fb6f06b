"""A private containerd for one run, in a mount namespace of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtimes import directories, process
from runtimes.base import Site
from runtimes.faults import RuntimeFault
from runtimes.linux import proc, trees

READY_S = 30.0
STOP_S = 10.0
NAMESPACE = "tarebench"
"""containerd's own word for a part of its store; nothing to do with the kernel's."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running containerd."""

    child: subprocess.Popen[bytes]
    directory: Path
    """Socket, FIFOs and process state."""

    @property
    def mounts(self) -> Path:
        """Its mount namespace."""
        return Path(f"/proc/{self.child.pid}/ns/mnt")

    def command(self, *words: str) -> list[str]:
        """A command line of its client."""
        address = str(self.directory / "containerd.sock")
        return ["ctr", "--address", address, "--namespace", NAMESPACE, *words]


def directory_of(run: str) -> Path:
    """Short, because sockets are in it; also what the run's processes are known by."""
    return Path("/run", f"tb-{run}-containerd")


def configuration(root: Path, directory: Path) -> str:
    """Everything in our own places, no CRI, nothing in /opt."""
    address = json.dumps(str(directory / "containerd.sock"))
    return "\n".join(
        (
            "version = 2",
            f"root = {json.dumps(str(root))}",
            f"state = {json.dumps(str(directory / 'state'))}",
            'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
            "[grpc]",
            f"  address = {address}",
            "",
        )
    )


@contextlib.contextmanager
def started(site: Site) -> Iterator[Daemon]:
    """A containerd for the duration of a context.

    Raises:
        RuntimeFault: it does not start; with the end of its log.
    """
    directory, root, log = directory_of(site.run), site.state / "root", site.state / "log"
    sweep(directory)
    directories.closed(site.state, walked=True)
    directory.mkdir(mode=0o700)  # anew: what was there is swept
    directories.closed(directory, walked=True)
    file = directory / "config.toml"
    file.write_text(configuration(root, directory))
    argv = ["unshare", "--mount", "--propagation", "slave", "containerd", "--config", str(file)]
    with log.open("wb") as output:
        child = process.spawn(argv, stdout=output, stderr=output, new_session=True)
    try:
        _await(child, directory / "containerd.sock", log)
        yield Daemon(child, directory)
    finally:
        _end(child)
        sweep(directory)
        log.unlink(missing_ok=True)
        trees.remove(root, ignore_errors=True)


def _await(child: subprocess.Popen[bytes], address: Path, log: Path) -> None:
    """It tells nobody when it is ready; its end is noticed at once."""
    deadline, pidfd = time.monotonic() + READY_S, os.pidfd_open(child.pid)
    try:
        while not _listening(address):
            if proc.ended(pidfd, 0.01) or time.monotonic() > deadline:
                raise RuntimeFault(
                    f"the private containerd is not ready after {READY_S:g} s, or has ended",
                    hint="its log ends as shown",
                    tail=log.read_text("utf-8", "replace")[-2000:],
                )
    finally:
        os.close(pidfd)


def _listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def sweep(directory: Path) -> list[str]:
    """End what a killed run left of its containerd and shims; one line for each thing removed."""

    def inside(argv: proc.Arguments) -> bool:
        """containerd and its shims name the directory in their arguments."""
        named = "containerd" in proc.program(argv)
        return named and any(f"{directory}/" in word for word in argv)

    removed = [
        f"process {pid} of containerd"
        for pid in proc.matching(inside)
        if proc.end(pid, inside, patience_s=0.0)
    ]
    if directory.exists():
        trees.remove(directory, ignore_errors=True)
        removed.append(f"directory {directory}")
    return removed
