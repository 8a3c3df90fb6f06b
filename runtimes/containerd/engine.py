"""The prepared containerd backend: the configuration of ``ns``, through containerd and its shim."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from runtimes import directories, process
from runtimes.agent.channel import Agent, FdStream
from runtimes.base import InstanceSpec, Site
from runtimes.containerd.daemon import Daemon, started
from runtimes.containerd.instance import ContainerdInstance
from runtimes.faults import RuntimeFault
from runtimes.launcher import Plan, Side, Step
from runtimes.launcher.instance import KILL_S, tolerant
from runtimes.launcher.operations import Attach, Clone, EnterNamespace, Execute, Operation
from runtimes.launcher.operations import base as kernel
from runtimes.linux.cgroups import Group
from runtimes.ns.build import Box, volume_mounts
from runtimes.ns.engine import remove_tree
from runtimes.ns.mounts import mount_plan
from runtimes.oci import bundle, nest, rtnetlink
from runtimes.oci.engine import OciEngine, give_volume
from runtimes.oci.engine import prepared as oci_prepared
from runtimes.process import ENVIRONMENT, tail_of, tail_of_file

UNMOUNT_S = 10.0
START_S = 60.0


@dataclass(slots=True)
class ContainerdEngine:
    """Implements ``runtimes.base.Engine``."""

    site: Site
    oci: OciEngine
    """Knows the box, its configuration and its network."""
    daemon: Daemon
    versions: Mapping[str, str]

    def start(self, spec: InstanceSpec) -> ContainerdInstance:
        """See Engine."""
        box = self.oci.box(spec)
        state = box.places.state
        group = self.oci.hierarchy.group(self.site.run, spec.name)
        undo = contextlib.ExitStack()
        undo.callback(tolerant(lambda: remove_tree(state)))
        undo.callback(tolerant(lambda: self.oci.unlink(spec)))
        undo.callback(tolerant(group.remove))
        undo.callback(tolerant(lambda: self._unmount(state / "rootfs")))
        if spec.volume is not None and self.oci.disk.how == "image":
            undo.callback(tolerant(partial(self._unmount, spec.volume)))
        give_volume(spec, box)
        try:
            box = replace(box, spaces=self.oci.spaces(spec, box, undo))
            directories.closed(state, walked=True)
            (state / "rootfs").mkdir()
            bundle.write(state, self.oci.configuration(spec, box, state / "rootfs"))
            marks = {"mounted": self._mount(box, state / "rootfs")}
            return self._run(spec, box, group, marks, undo)
        except BaseException:
            undo.close()
            raise

    def _mount(self, box: Box, target: Path) -> int:
        """Mount the box's root where containerd sees it; the instant at which it was done."""
        steps: list[tuple[Side, Operation]] = [
            *((Side.LAUNCHER, each) for each in nest.root_steps(box)),
            (Side.LAUNCHER, Clone(0)),
            (Side.CHILD, EnterNamespace(str(self.daemon.mounts), kernel.CLONE_NEWNS)),
            (Side.CHILD, Attach(mount_plan.ROOT_SLOT, str(target))),
            *((Side.CHILD, each) for each in volume_mounts(box)),
            (Side.CHILD, Execute(("/bin/true",), tuple(ENVIRONMENT.items()), init=False)),
        ]
        plan = Plan(tuple(Step(side, "mounted", operation) for side, operation in steps))
        done = self.oci.launcher.start(plan)
        done.wait(KILL_S)
        box.spaces.mounted()
        return time.monotonic_ns()

    def _unmount(self, target: Path) -> None:
        process.run(
            ["nsenter", f"--mount={self.daemon.mounts}", "umount", "--lazy", str(target)],
            timeout_s=UNMOUNT_S,
        )

    def _forget(self, client: subprocess.Popen[bytes], name: str) -> None:
        """``ctr run --rm`` forgets the container itself, unless it was ended by force."""
        if client.returncode >= 0:
            return
        for words in (("tasks", "delete", "--force", name), ("containers", "delete", name)):
            listed = process.run(self.daemon.command(words[0], "list", "-q"), timeout_s=UNMOUNT_S)
            if name in listed.stdout.decode().split():
                process.run(self.daemon.command(*words), timeout_s=UNMOUNT_S)

    def _run(
        self,
        spec: InstanceSpec,
        box: Box,
        group: Group,
        marks: dict[str, int],
        undo: contextlib.ExitStack,
    ) -> ContainerdInstance:
        state, log_fd = box.places.state, os.memfd_create(f"{spec.name}-log", os.MFD_CLOEXEC)
        undo.callback(os.close, log_fd)
        ours, theirs = socket.socketpair()
        stream_fd = ours.detach()
        agent = Agent(FdStream(stream_fd, stream_fd))
        undo.callback(agent.close)
        with theirs:
            client = process.spawn(
                self._argv(spec, state),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=log_fd,
                new_session=True,
            )
        undo.callback(tolerant(lambda: self._forget(client, spec.name)))
        undo.callback(_end, client, group)
        _await_first_byte(stream_fd, log_fd)
        marks["executed"] = time.monotonic_ns()
        pid = int((state / "pid").read_text())
        if box.attachment is not None:
            rtnetlink.join(box.attachment, pid)
        marks["network"] = time.monotonic_ns()
        endpoint = (self.site.network.host_address, spec.lease.port)
        return ContainerdInstance(
            spec, agent, marks, client, os.pidfd_open(pid), _parent(pid), group, endpoint, state,
            log_fd, undo, box.spaces,
        )  # fmt: skip

    def _argv(self, spec: InstanceSpec, state: Path) -> list[str]:
        directory = self.daemon.directory
        return self.daemon.command(
            "run", "--rm", "--config", str(state / bundle.CONFIG), "--pid-file", str(state / "pid"),
            "--fifo-dir", str(directory / "fifo"), "--runc-root", str(directory / "runc"),
            spec.name,
        )  # fmt: skip

    def daemon_pids(self) -> tuple[int, ...]:
        """See Engine."""
        return (self.daemon.child.pid, *self.oci.launcher.pids())

    def conditions(self, profile: str) -> frozenset[str]:
        """See Engine."""
        return self.oci.conditions(profile)

    def bits(self) -> Mapping[str, str]:
        """See Engine."""
        return self.oci.bits()


def _await_first_byte(stream_fd: int, log_fd: int) -> None:
    """The agent's first byte tells that the container runs; it is left for ``hello`` to read."""
    poller = select.poll()
    poller.register(stream_fd, select.POLLIN)
    ready = poller.poll(START_S * 1000)
    if not ready or ready[0][1] & (select.POLLHUP | select.POLLERR):
        raise RuntimeFault(
            "containerd did not start the container",
            hint="its client's words are below",
            tail=tail_of(tail_of_file(log_fd)),
        )


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _end(client: subprocess.Popen[bytes], group: Group) -> None:
    """The last of a start that failed, or nothing after an orderly end."""
    if client.poll() is None:
        with contextlib.suppress(RuntimeFault):
            group.kill(KILL_S)
        client.terminate()
        try:
            client.wait(KILL_S)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()


@contextlib.contextmanager
def prepared(site: Site, profiles: frozenset[str]) -> Iterator[ContainerdEngine]:
    """Everything that is done once per run.  See Runtime.prepare."""
    with started(site) as daemon, oci_prepared(site, profiles) as oci:
        told = process.run(["containerd", "--version"], timeout_s=UNMOUNT_S).stdout.decode().split()
        versions = {"containerd": told[2] if len(told) > 2 else "unknown", **oci.versions}
        yield ContainerdEngine(site, oci, daemon, versions)
