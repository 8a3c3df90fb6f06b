"""``native``: no box.  The same bits and the same limits, on the host's side of the testbed.

The agent runs in its own cgroup, in the testbed's host-side network namespace, on the shared
root filesystem.  Of everything that makes a box it has only a private mount table and shared
memory of its own, so that neither a mount nor a killed server's segments can be left behind; it
has no PID or user namespace, no overlay, no filter, and keeps every capability.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from runtimes import directories
from runtimes.agent.channel import Agent
from runtimes.base import Availability, Capability, Engine, InstanceSpec, Lease, Site
from runtimes.conventions import AGENT_PATH, BOX_PORT, ROOT_SCRATCH, VOLUME_PATH
from runtimes.faults import RuntimeFault
from runtimes.launcher import Launcher, Plan, Side, Step, instance
from runtimes.launcher.instance import LaunchedInstance, tolerant
from runtimes.launcher.operations import (
    Bind,
    Capabilities,
    Chroot,
    Clone,
    EnterNamespace,
    Execute,
    MakeDirectory,
    Mount,
    Operation,
    Unmount,
)
from runtimes.launcher.operations import base as kernel
from runtimes.launcher.program import opened, source_digest
from runtimes.linux import cgroups, disk
from runtimes.linux.disk import DISK_KIND, NO_LIMIT, Keeper, Spaces
from runtimes.ns import capabilities, host_support
from runtimes.ns.build import cgroup_steps, join_steps
from runtimes.ns.engine import read_digest, remove_tree
from runtimes.ns.mounts import mount_plan
from runtimes.process import ENVIRONMENT
from runtimes.resources import Limits

_peers = itertools.count(1)
HELLO_S = 10.0
SCRATCH = "scratch"
UNKEPT = Keeper(0)
QUOTA_KEEPING = capabilities.mask(capabilities.NUMBERS) & ~capabilities.mask(("SYS_RESOURCE",))
"""All but the one that writes past a quota (capabilities(7), CAP_SYS_RESOURCE)."""


def plan(
    state: Path,
    rootfs: Path,
    creation: cgroups.Creation,
    network: Path,
    *,
    volume: Path | None = None,
    spaces: Spaces = NO_LIMIT,
    keeps_limit: bool = False,
) -> Plan:
    """The steps of a native start.

    ``spaces`` limit the scratch directory and the volume; where anything does, ``state`` and the
    former are there already.  ``keeps_limit``: root here is not to write past a quota.
    """
    root = state / "root"
    disks = _disks(state / SCRATCH, volume, spaces)
    # Without a cgroup nothing else says which processes are the box's, nor ends them as a whole.
    own_pids = 0 if creation.directories else kernel.CLONE_NEWPID
    parts: list[tuple[Side, str, list[Operation]]] = [
        (Side.LAUNCHER, "cgroups", cgroup_steps(creation)),
        (Side.LAUNCHER, "directories", _directories(state)),
        (Side.LAUNCHER, "disk", [Mount(device, str(on), DISK_KIND) for device, on in disks]),
        (
            Side.LAUNCHER,
            "cloned",
            [
                Clone(
                    kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | own_pids,
                    str(creation.born_in or ""),
                )
            ],
        ),
        (Side.LAUNCHER, "unmounted", [Unmount(str(on)) for _, on in disks]),
        (Side.CHILD, "joined", [*join_steps(creation), EnterNamespace(str(network))]),
        (
            Side.CHILD,
            "root",
            [
                Mount("", "/", "", kernel.REC_PRIVATE),
                Bind(str(rootfs), str(root), recursive=False, attributes=kernel.RDONLY),
                *mount_plan.furnished(root),
                Bind(str(state / SCRATCH), f"{root}{ROOT_SCRATCH}"),
                *([Bind(str(volume), f"{root}{VOLUME_PATH}")] if volume else []),
                Chroot(str(root)),
            ],
        ),
        (Side.CHILD, "confined", [Capabilities(QUOTA_KEEPING)] if keeps_limit else []),
        (Side.CHILD, "executed", [Execute((AGENT_PATH,), tuple(ENVIRONMENT.items()), init=False)]),
    ]
    return Plan(tuple(Step(side, stage, one) for side, stage, many in parts for one in many))


def _directories(state: Path) -> list[Operation]:
    return [
        MakeDirectory(str(state), may_exist=True),
        MakeDirectory(str(state / "root")),
        MakeDirectory(str(state / SCRATCH), may_exist=True),
    ]


def _disks(scratch: Path, volume: Path | None, spaces: Spaces) -> list[tuple[str, Path]]:
    pairs = [(spaces.layer.device, scratch)]
    if volume is not None:
        pairs.append((spaces.volume.device, volume))
    return [(device, on) for device, on in pairs if device]


def _start(
    launcher: Launcher,
    hierarchy: cgroups.Hierarchy,
    site: Site,
    spec: InstanceSpec,
    *,
    bounds: cgroups.Bounds,
    network: Path,
    keeper: Keeper = UNKEPT,
) -> LaunchedInstance:
    state = site.state / spec.name
    group = hierarchy.group(site.run, spec.name)
    undo = contextlib.ExitStack()
    undo.callback(tolerant(lambda: remove_tree(state)))
    undo.callback(tolerant(group.remove))
    creation = hierarchy.creation(site.run, spec.name, bounds)
    try:
        if keeper.keeps:
            state.mkdir()
        spaces = keeper.spaces(undo, state / SCRATCH, spec.volume)
    except BaseException:
        undo.close()
        raise
    return instance.start(
        launcher,
        spec,
        plan(
            state,
            site.rootfs.directory,
            creation,
            network,
            volume=spec.volume,
            spaces=spaces,
            keeps_limit=keeper.how == "quota",
        ),
        group,
        undo=undo,
        endpoint=(site.network.host_address, BOX_PORT),
        writable=state / SCRATCH if spaces.layer.device else state,
        pass_fds=(),
        spaces=spaces,
    )


@dataclass(slots=True)
class NativeEngine:
    """Implements ``runtimes.base.Engine``."""

    site: Site
    launcher: Launcher
    hierarchy: cgroups.Hierarchy
    versions: Mapping[str, str]
    disk: Keeper

    def start(self, spec: InstanceSpec) -> LaunchedInstance:
        """See Engine."""
        network = self.site.network.host_netns
        bounds = cgroups.bounds(spec.limits)
        return _start(
            self.launcher,
            self.hierarchy,
            self.site,
            spec,
            bounds=bounds,
            network=network,
            keeper=self.disk,
        )

    def daemon_pids(self) -> tuple[int, ...]:
        """See Engine.  The launcher, which is resident; some 200 KiB."""
        return self.launcher.pids()

    def conditions(self, profile: str) -> frozenset[str]:
        """See Engine."""
        del profile
        return cgroups.conditions(self.hierarchy) | self.disk.conditions

    def bits(self) -> Mapping[str, str]:
        """See Engine."""
        return {"rootfs": read_digest(self.site.rootfs.directory)}


@contextlib.contextmanager
def _prepared(site: Site) -> Iterator[NativeEngine]:
    hierarchy = cgroups.usable()
    cgroups.check(hierarchy, site.limits)
    with contextlib.ExitStack() as stack:
        launcher = stack.enter_context(opened(site.cache, site.progress))
        directories.closed(site.state)
        stack.enter_context(cgroups.held(hierarchy, site.run))
        versions = {"launcher": source_digest()[:16], "cgroups": hierarchy.version}
        keeper = disk.choose(site.state, site.limits.disk_bytes)
        yield NativeEngine(site, launcher, hierarchy, versions, keeper)


@contextlib.contextmanager
def peer_agent(site: Site, cpus: tuple[int, ...]) -> Iterator[Agent]:
    """An agent on the other end of the wire, for measuring clients and servers.

    It runs natively in the peer's network namespace, on ``cpus``, without other limits, and is
    the same in every arm, so that only the box differs.

    Raises:
        RuntimeFault: it could not be started.
    """
    # A fresh name each: several may be open at once, and none may meet another's leavings.
    name = f"tb-{site.run}-peer{next(_peers)}"
    limits = Limits(cpus, float(len(cpus)), 0)
    lease = Lease(-1, site.network.peer_address, "", 0)
    spec = InstanceSpec(name, "peer", limits, lease)
    hierarchy = cgroups.usable()
    with opened(site.cache, site.progress) as launcher, cgroups.held(hierarchy, site.run):
        directories.closed(site.state)
        bounds = cgroups.Bounds(cpus)
        network = site.network.peer_netns
        started = _start(launcher, hierarchy, site, spec, bounds=bounds, network=network)
        try:
            started.agent.hello(HELLO_S)
            yield started.agent
        finally:
            started.remove()


class NativeRuntime:
    """Implements ``runtimes.base.Runtime``."""

    name = "native"
    profiles: Mapping[str, str] = {
        "default": "on the host, in a cgroup with the limits of every arm",
        "aa": "identical to default: what differs between the two is noise",
    }
    capabilities = frozenset(
        {
            Capability.NETWORK,
            Capability.VOLUME,
            Capability.ROOT,
            Capability.LIMITS,
            Capability.STATS,
        }
    )

    def availability(self, options: Mapping[str, str]) -> Availability:
        """See Runtime."""
        del options
        return host_support.availability()

    def prepare(self, site: Site, profiles: frozenset[str]) -> AbstractContextManager[Engine]:
        """See Runtime."""
        del profiles  # they do not differ
        return _prepared(site)

    def clean(self, state: Path, run: str) -> list[str]:
        """See Runtime."""
        try:
            removed = cgroups.usable().remove_all(run)
        except RuntimeFault as fault:
            removed = [f"cgroups of run {run} not removed: {fault}"]
        if state.exists():
            remove_tree(state)
            removed.append(f"directory {state}")
        return removed
