"""The prepared OCI backend: from a spec to a container of runc, crun or youki."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runtimes import directories, ports
from runtimes.agent.channel import Agent, FdStream
from runtimes.base import InstanceSpec, Site
from runtimes.conventions import AGENT_PATH
from runtimes.faults import RuntimeFault
from runtimes.launcher import Launcher
from runtimes.launcher.child import ChildProcess
from runtimes.launcher.instance import KILL_S, tolerant
from runtimes.launcher.program import opened, source_digest
from runtimes.linux import cgroups, disk
from runtimes.linux.cgroups.base import parent_path
from runtimes.linux.disk import Keeper, Spaces
from runtimes.linux.ids.subordinate import boxes_of_root
from runtimes.ns import userns
from runtimes.ns.build import Attachment, Box
from runtimes.ns.engine import read_digest, remove_tree
from runtimes.ns.links import Links
from runtimes.ns.mounts import roots
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.profile import PROFILES as NS_PROFILES
from runtimes.oci import bundle, nest, profiles, rtnetlink, shim
from runtimes.oci.configuration import Configuration
from runtimes.oci.describe import describe
from runtimes.oci.instance import Control, OciInstance, delete
from runtimes.oci.profiles import PROFILES
from runtimes.process import ENVIRONMENT, tail_of, tail_of_file

STAGE = ".stage"
OWN = ".own"
"""Where the command line of ns is written, for the profile that is run by it."""
ROOT = ".runtime"
"""Where a runtime keeps its state: below ours, so that no other user of it is met."""


@dataclass(slots=True)
class OciEngine:
    """Implements ``runtimes.base.Engine``."""

    site: Site
    launcher: Launcher
    shim: Path
    programs: Mapping[str, Path]
    """Profile → runtime."""
    hierarchy: cgroups.Hierarchy
    links: Links
    versions: Mapping[str, str]
    disk: Keeper

    def start(self, spec: InstanceSpec) -> OciInstance:
        """See Engine."""
        box = self.box(spec)
        state, root = box.places.state, self.site.state / ROOT
        runtime = self.programs[spec.profile]
        group = self.hierarchy.group(self.site.run, spec.name)
        give_volume(spec, box)
        undo = contextlib.ExitStack()
        undo.callback(tolerant(lambda: remove_tree(state)))
        undo.callback(tolerant(lambda: self.unlink(spec)))
        undo.callback(tolerant(group.remove))
        undo.callback(tolerant(lambda: delete(runtime, root, spec.name)))
        try:
            box = replace(box, spaces=self.spaces(spec, box, undo))
            bundle.write(state, self.configuration(spec, box, box.places.root))
            started = self._started(spec, box, undo)
        except BaseException:
            undo.close()
            raise
        return started

    def spaces(self, spec: InstanceSpec, box: Box, undo: contextlib.ExitStack) -> Spaces:
        """Make the instance's directory, limited as its volume is."""
        if not box.profile.overlay or not self.disk.keeps:
            box.places.state.mkdir()
        layer = box.places.state if box.profile.overlay else None
        owner = box.ids.root if box.profile.user else (0, 0)
        spaces = self.disk.spaces(undo, layer, spec.volume, owner)
        directories.closed(box.places.state)
        return spaces

    def configuration(self, spec: InstanceSpec, box: Box, root: Path) -> Configuration:
        """What the runtime is told: the configuration of the ``ns`` box, mounted at ``root``."""
        return describe(
            box,
            root,
            bounds=cgroups.bounds(spec.limits),
            limits_swap=box.creation is not None and box.creation.limits_swap,
            cgroups_path=f"/{parent_path(self.site.run)}/{spec.name}",
        )

    def _started(self, spec: InstanceSpec, box: Box, undo: contextlib.ExitStack) -> OciInstance:
        """Everything that needs undoing has been put on ``undo`` when this raises."""
        log_fd = os.memfd_create(f"{spec.name}-log", os.MFD_CLOEXEC)
        undo.callback(os.close, log_fd)
        ours, theirs = socket.socketpair()
        control, shims = socket.socketpair()
        undo.callback(control.close)
        stream_fd = ours.detach()
        agent = Agent(FdStream(stream_fd, stream_fd))
        undo.callback(agent.close)
        with theirs, shims:
            started = self.launcher.start(
                nest.plan(box, self._argv(spec, box), ENVIRONMENT),
                stdin=theirs.fileno(),
                stdout=shims.fileno(),
                stderr=log_fd,
            )
        marks = started.marks()
        group = self.hierarchy.group(self.site.run, spec.name)
        try:
            channel = Control(control)
            self._create_and_start(channel, box, marks)
        except BaseException as error:
            _end(started, control, group)
            if isinstance(error, RuntimeFault):
                raise RuntimeFault(
                    str(error), hint=error.hint, tail=tail_of(tail_of_file(log_fd))
                ) from None
            raise
        endpoint = (self.site.network.host_address, spec.lease.port)
        box.spaces.mounted()
        return OciInstance(
            spec, agent, marks, started, group, endpoint, box.places.state, channel, log_fd, undo,
            box.spaces,
        )  # fmt: skip

    def _create_and_start(self, control: Control, box: Box, marks: dict[str, int]) -> None:
        pid = control.told("created")
        marks["created"] = marks["process"] = time.monotonic_ns()
        if box.attachment is not None:
            rtnetlink.join(box.attachment, pid)
        marks["network"] = time.monotonic_ns()
        control.go_on()
        control.told("started")
        marks["executed"] = marks["running"] = time.monotonic_ns()

    def _argv(self, spec: InstanceSpec, box: Box) -> list[str]:
        state = box.places.state
        runtime, root = self.programs[spec.profile], self.site.state / ROOT
        return [str(self.shim), str(state / "pid"), str(runtime), str(root), str(state), spec.name]

    def box(self, spec: InstanceSpec) -> Box:
        """The ``ns`` box whose configuration is run."""
        network = self.site.network
        return Box(
            profile=NS_PROFILES[PROFILES[spec.profile].like],
            hostname=spec.name,
            places=BoxPaths(self.site.state / spec.name, self.site.state / STAGE),
            ids=boxes_of_root(),
            argv=(AGENT_PATH,),
            environment=ENVIRONMENT,
            creation=self.hierarchy.creation(self.site.run, spec.name, cgroups.bounds(spec.limits)),
            controllers=self.hierarchy.controllers,
            attachment=Attachment(
                namespace=network.host_netns,
                bridge=network.bridge,
                outside=_outside(self.site.run, spec),
                address=spec.lease.address,
                prefix_length=network.prefix_length,
                gateway=network.gateway,
                mac=spec.lease.mac,
                mtu=network.mtu,
            ),
            volume=spec.volume,
        )

    def unlink(self, spec: InstanceSpec) -> None:
        """Take the box off the bridge; already gone is fine."""
        self.links.remove(_outside(self.site.run, spec))

    def daemon_pids(self) -> tuple[int, ...]:
        """See Engine.  The launcher, which is resident."""
        return self.launcher.pids()

    def conditions(self, profile: str) -> frozenset[str]:
        """See Engine."""
        del profile
        return self.disk.conditions

    def bits(self) -> Mapping[str, str]:
        """See Engine."""
        return {"rootfs": read_digest(self.site.rootfs.directory)}


def give_volume(spec: InstanceSpec, box: Box) -> None:
    """Make the volume the box's root's, who must be able to write to it."""
    if spec.volume is not None and box.profile.user:
        os.chown(spec.volume, *box.ids.root)


def _outside(run: str, spec: InstanceSpec) -> str:
    """The bridge's end of the pair; ``ns`` boxes of the run have other names."""
    return ports.name(run, ports.Kind.OCI, spec.lease.slot)


def _end(started: ChildProcess, control: socket.socket, group: cgroups.Group) -> None:
    """End a container that is not wanted: the control socket's end is the shim's word for it."""
    control.close()
    with contextlib.suppress(RuntimeFault):
        group.kill(KILL_S)
    try:
        started.wait(KILL_S)
    except TimeoutError:
        started.signal(9)
        started.wait(KILL_S)


def _programs(site: Site, wanted: frozenset[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in sorted(wanted):
        profile = PROFILES[name]
        own = profile.program == profiles.OURS
        found[name] = profiles.ours(site.state / OWN) if own else profiles.program(profile)
    return found


@contextlib.contextmanager
def prepared(site: Site, wanted: frozenset[str]) -> Iterator[OciEngine]:
    """Everything that is done once per run.  See Runtime.prepare."""
    directories.closed(site.state, walked=True)
    programs = _programs(site, wanted)
    hierarchy = cgroups.detect()
    versions = {"launcher": source_digest()[:16], "cgroups": hierarchy.version}
    for runtime in dict.fromkeys(programs.values()):
        versions |= profiles.versions(runtime)
    with contextlib.ExitStack() as stack:
        launcher = stack.enter_context(opened(site.cache, site.progress))
        program = shim.compiled(site.cache, site.progress)
        stage = site.state / STAGE
        stack.callback(remove_tree, stage)
        stack.callback(remove_tree, site.state / OWN)
        places = BoxPaths(site.state, stage)
        stack.callback(remove_tree, site.state / ROOT)
        stack.enter_context(cgroups.held(hierarchy, site.run))
        links = Links(site.network.host_netns)
        stack.callback(links.close)
        needs_user = any(NS_PROFILES[PROFILES[name].like].user for name in wanted)
        ids = userns.mapped(launcher, boxes_of_root()) if needs_user else None
        mapped = None if ids is None else stack.enter_context(ids)
        roots.prepare(launcher, roots.of(site.rootfs.directory), places, mapped)
        keeper = disk.choose(site.state, site.limits.disk_bytes)
        yield OciEngine(site, launcher, program, programs, hierarchy, links, versions, keeper)
