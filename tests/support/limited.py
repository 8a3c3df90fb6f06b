"""Programs of the host's busybox in a cgroup of their own, started by the launcher like boxes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runtimes import process
from runtimes.launcher import Launcher, Plan, Side, segment
from runtimes.launcher import operations as ops
from runtimes.launcher.child import ChildProcess
from runtimes.linux import cgroups
from runtimes.ns import build


@dataclass
class Limited:
    """One cgroup, and the program in it."""

    creation: cgroups.Creation
    group: cgroups.Group
    started: ChildProcess
    _output: int
    _said: str = field(default="", init=False)

    def ended(self, timeout_s: float = 60) -> int:
        """Its exit status."""
        return self.started.wait(timeout_s)

    def said(self) -> str:
        """Standard output and error, to the program's end."""
        with contextlib.suppress(OSError):
            while piece := os.read(self._output, 65536):
                self._said += piece.decode()
        return self._said


@dataclass(frozen=True)
class Limiter:
    """Makes them."""

    hierarchy: cgroups.Tree
    launcher: Launcher
    run: str

    @contextlib.contextmanager
    def limited(self, bounds: cgroups.Bounds, script: str, name: str = "one") -> Iterator[Limited]:
        """A shell script in a cgroup with ``bounds``; nothing is left of both afterwards."""
        creation = self.hierarchy.creation(self.run, name, bounds)
        group = self.hierarchy.group(self.run, name)
        output, told = os.pipe()
        try:
            try:
                started = self.launcher.start(
                    plan(creation, script), stdin=told, stdout=told, stderr=told
                )
            finally:
                os.close(told)
            yield Limited(creation, group, started, output)
            group.kill(10)
            started.wait(10)
        finally:
            os.close(output)
            group.remove()
        assert not any(path.exists() for path in creation.directories)


def plan(creation: cgroups.Creation, script: str) -> Plan:
    """A box of nothing but a cgroup: its first program is in it from the beginning."""
    born_in = str(creation.born_in) if creation.born_in else ""
    program = ops.Execute(
        ("/bin/busybox", "sh", "-c", script), (("PATH", "/bin:/usr/bin"),), init=False
    )
    return Plan.joined(
        [
            segment(Side.LAUNCHER, "cgroups", build.cgroup_steps(creation)),
            segment(Side.LAUNCHER, "cloned", [ops.Clone(0, born_in)]),
            segment(Side.CHILD, "joined", build.join_steps(creation)),
            segment(Side.CHILD, "executed", [program]),
        ]
    )


def disk_of(directory: Path) -> tuple[int, int] | None:
    """The whole disk that a directory is on, as I/O limits name it; ``None``: on none."""
    number = directory.stat().st_dev
    block = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not block.exists():
        return None
    whole = block.resolve().parent if (block / "partition").exists() else block
    major, minor = (whole / "dev").read_text().split(":")
    return int(major), int(minor)


@contextlib.contextmanager
def weighing_disk(where: Path) -> Iterator[Path]:
    """A disk of our own below ``where``, of 64 MiB and with a scheduler that weighs.

    Raises:
        CommandFailed, OSError: there can be none here.
    """
    backing = where / "disk"
    with backing.open("wb") as made:
        made.truncate(64 << 20)
    attach = ["losetup", "--find", "--show", "--direct-io=on", str(backing)]
    device = Path(process.run(attach, timeout_s=10).stdout.decode().strip())
    try:
        Path("/sys/block", device.name, "queue/scheduler").write_text("bfq")
        yield device
    finally:
        process.run(["losetup", "--detach", str(device)], timeout_s=10)
