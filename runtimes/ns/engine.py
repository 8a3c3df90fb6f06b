"""The prepared namespace runtime: from a spec to a started box."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runtimes import ports
from runtimes.base import InstanceSpec, Site
from runtimes.conventions import AGENT_PATH, BOX_PORT
from runtimes.faults import RuntimeFault
from runtimes.images.layers.stack.tree import Marks
from runtimes.launcher import Launcher, instance
from runtimes.launcher.child import ChildProcess
from runtimes.launcher.instance import HeldRoot, LaunchedInstance, tolerant
from runtimes.launcher.program import opened, source_digest
from runtimes.linux import cgroups, disk, trees
from runtimes.linux.disk import Keeper
from runtimes.linux.ids.maps import BoxIds, own_boxes
from runtimes.linux.ids.rights import is_host_root
from runtimes.linux.ids.subordinate import boxes_of_root
from runtimes.ns import build, enter, userns
from runtimes.ns.build import Attachment, Box
from runtimes.ns.links import Links
from runtimes.ns.mounts import mount_plan, roots
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.profile import NetworkMode, Profile
from runtimes.ns.profiles.catalogue import CATALOGUE
from runtimes.ns.profiles.depths import stacked
from runtimes.ns.seccomp import compiler as seccomp
from runtimes.process import ENVIRONMENT

STAGE = ".stage"
DIGEST_FILE = "opt/tarebench/rootfs.digest"


@dataclass(slots=True)
class NamespaceEngine:
    """Implements ``runtimes.base.Engine``."""

    site: Site
    launcher: Launcher
    hierarchy: cgroups.Hierarchy
    links: Links
    lifeline_fd: int
    filter: bytes
    versions: Mapping[str, str]
    ids: BoxIds
    own_root: bool
    """See build.Box."""
    depths: Mapping[int, int]
    """A profile's depth → layers that are staged for it."""
    disk: Keeper

    def start(self, spec: InstanceSpec) -> LaunchedInstance:
        """See Engine."""
        profile = CATALOGUE[spec.profile]
        places = BoxPaths(self.site.state / spec.name, stage(self.site.state, profile.depth))
        group = self.hierarchy.group(self.site.run, spec.name)
        outside = ports.name(self.site.run, ports.Kind.NS, spec.lease.slot)
        if spec.volume is not None and profile.user:  # the box's root must be able to write
            os.chown(spec.volume, *self.ids.root)
        undo = contextlib.ExitStack()
        root = HeldRoot()
        undo.callback(tolerant(root.close))  # last: what is deleted by then need not be synced
        undo.callback(tolerant(lambda: remove_state(places)))
        undo.callback(tolerant(group.remove))
        if profile.network in build.LINKED:
            undo.callback(tolerant(lambda: self.links.remove(outside)))
        try:
            layer = places.state if profile.overlay else None
            spaces = self.disk.spaces(undo, layer, spec.volume, self._owner(profile))
        except BaseException:
            undo.close()
            raise
        box = replace(self._box(spec, profile, places, outside), spaces=spaces)
        return instance.start(
            self.launcher,
            spec,
            build.plan(box),
            group,
            undo=undo,
            endpoint=self._endpoint(spec, profile.network),
            writable=places.state,
            pass_fds=(self.lifeline_fd,),
            root=root if profile.overlay else None,
            spaces=spaces,
        )

    def execute(
        self,
        instance: LaunchedInstance,
        argv: Sequence[str],
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        environment: Mapping[str, str] = ENVIRONMENT,
    ) -> ChildProcess:
        """Run a further program in a running box, as ``docker exec`` does.

        Standard streams are ours by default; the caller waits for the result.

        Raises:
            RuntimeFault: the box has ended, or the program cannot be run.
        """
        if instance.started.ended():
            raise RuntimeFault(f"{instance.spec.name} has ended", hint="start another one")
        profile, pidfd = CATALOGUE[instance.spec.profile], instance.started.pidfd
        creation = self._creation(instance.spec, profile)
        plan = enter.plan(
            profile,
            creation,
            pidfd,
            tuple(argv),
            sets_groups=self.ids.groups,
            environment=environment,
            program=self.filter,
        )
        added = self.launcher.start(
            plan,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(pidfd,),
            alone=self.own_root,
        )
        instance.started.visitors.append(added)
        return added

    def _creation(self, spec: InstanceSpec, profile: Profile) -> cgroups.Creation:
        bounds = replace(cgroups.bounds(spec.limits), controllers=profile.controllers)
        return self.hierarchy.creation(self.site.run, spec.name, bounds)

    def _owner(self, profile: Profile) -> tuple[int, int]:
        return self.ids.root if profile.user else (0, 0)

    def _box(self, spec: InstanceSpec, profile: Profile, places: BoxPaths, outside: str) -> Box:
        network = self.site.network
        return Box(
            profile=profile,
            hostname=spec.name,
            places=places,
            depth=self.depths[profile.depth],
            ids=self.ids,
            argv=(AGENT_PATH,),
            environment=ENVIRONMENT,
            creation=self._creation(spec, profile),
            controllers=self.hierarchy.controllers,
            attachment=Attachment(
                namespace=network.host_netns,
                bridge=network.bridge if profile.network is NetworkMode.BRIDGE else "",
                outside=outside,
                address=spec.lease.address,
                prefix_length=network.prefix_length,
                gateway=network.gateway,
                mac=spec.lease.mac,
                mtu=network.mtu,
                routed=profile.network is NetworkMode.ROUTED,
            ),
            lifeline_fd=self.lifeline_fd,
            filter=self.filter,
            volume=spec.volume,
            made=self.disk.keeps,
            own_root=self.own_root,
        )

    def _endpoint(self, spec: InstanceSpec, mode: NetworkMode) -> tuple[str, int] | None:
        host = self.site.network.host_address
        if mode in (NetworkMode.BRIDGE, NetworkMode.ROUTED):
            return (host, spec.lease.port)
        return (host, BOX_PORT) if mode is NetworkMode.HOST else None

    def daemon_pids(self) -> tuple[int, ...]:
        """See Engine.  The launcher, which is resident; some 200 KiB."""
        return self.launcher.pids()

    def conditions(self, profile: str) -> frozenset[str]:
        """See Engine."""
        unflushed = {"unflushed"} if CATALOGUE[profile].volatile else set[str]()
        return cgroups.conditions(self.hierarchy) | unflushed | self.disk.conditions

    def bits(self) -> Mapping[str, str]:
        """See Engine."""
        return {"rootfs": read_digest(self.site.rootfs.directory)}


@contextlib.contextmanager
def prepared(site: Site, profiles: frozenset[str]) -> Iterator[NamespaceEngine]:
    """Everything a start must not wait for.  See Runtime.prepare."""
    wanted = [CATALOGUE[name] for name in profiles]
    hierarchy, own_root = cgroups.usable(), not is_host_root()
    cgroups.check(hierarchy, site.limits)
    for profile in wanted:
        check_endable(profile, hierarchy)
    with contextlib.ExitStack() as stack:
        launcher = stack.enter_context(opened(site.cache, site.progress))
        stack.enter_context(cgroups.held(hierarchy, site.run))
        links = Links(site.network.host_netns)
        stack.callback(links.close)
        lifeline, held = os.pipe()
        stack.callback(os.close, held)
        stack.callback(os.close, lifeline)
        ids = own_boxes() if own_root else boxes_of_root()
        mapped = None
        if any(profile.user for profile in wanted) and not own_root:
            mapped = stack.enter_context(userns.mapped(launcher, ids))
        marks: Marks = "user" if own_root else "trusted"
        depths = {}
        for depth in sorted({profile.depth for profile in wanted}):
            layers = stack.enter_context(stacked(site, depth, marks))
            places = BoxPaths(site.state, stage(site.state, depth))
            stack.callback(remove_tree, places.stage)
            roots.prepare(launcher, layers, places, mapped, user_xattr=own_root)
            depths[depth] = layers.depth
        if any(not profile.pivot for profile in wanted):
            launcher.prepare(mount_plan.native_root(BoxPaths(site.state, stage(site.state, 1))))
        yield NamespaceEngine(
            site=site,
            launcher=launcher,
            hierarchy=hierarchy,
            links=links,
            lifeline_fd=lifeline,
            filter=seccomp.compile_filter() if any(one.seccomp for one in wanted) else b"",
            versions={"launcher": source_digest()[:16], "cgroups": hierarchy.version},
            ids=ids,
            own_root=own_root,
            depths=depths,
            disk=disk.choose(site.state, site.limits.disk_bytes),
        )


def stage(state: Path, depth: int) -> Path:
    """Where roots of that depth are put together."""
    return state / (STAGE if depth == 1 else f"{STAGE}-{depth}")


def check_endable(profile: Profile, hierarchy: cgroups.Hierarchy) -> None:
    """Every process of a box must be found again, to be ended.

    Raises:
        RuntimeFault: the profile has no PID namespace, and there is no cgroup either.
    """
    if not profile.pid and isinstance(hierarchy, cgroups.Absent):
        raise RuntimeFault(
            f"{profile.summary}: with neither a PID namespace nor a cgroup it could not be "
            f"ended ({hierarchy.why})",
            hint="run as root, or choose a profile with a PID namespace",
        )


def read_digest(root: Path) -> str:
    """The digest that a root filesystem says it has."""
    return (root / DIGEST_FILE).read_text().strip()


def remove_state(places: BoxPaths) -> None:
    """Remove an instance's directories, if any; a few calls where the box has written nothing."""
    work = places.work
    if not os.path.lexists(places.state):
        return
    try:
        for directory in (places.upper, work / "work", work, places.state):
            directory.rmdir()
    except OSError:
        remove_tree(places.state)


def remove_tree(directory: Path) -> None:
    """Remove a tree whose contents a box may have made up."""
    with contextlib.suppress(FileNotFoundError):
        trees.remove(directory)
