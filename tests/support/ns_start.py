"""Start a box of /bin/true, wait for its end, and remove it: what ``ns`` is timed by."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtimes.base import Network
from runtimes.launcher import Launcher
from runtimes.launcher.instance import HeldRoot
from runtimes.launcher.program import opened
from runtimes.linux import cgroups
from runtimes.linux.cgroups.base import parent_path
from runtimes.linux.ids.subordinate import boxes_of_root
from runtimes.ns import build, userns
from runtimes.ns.build import Attachment, Box
from runtimes.ns.engine import remove_state, remove_tree
from runtimes.ns.links import Links
from runtimes.ns.mounts import roots
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.profile import Profile
from runtimes.ns.seccomp import compiler as seccomp
from runtimes.oci import bundle
from runtimes.oci.describe import describe
from runtimes.process import ENVIRONMENT
from runtimes.resources import Limits

TRUE = ("/bin/true",)
WAIT_S = 30.0
_BOXES = 200
"""Addresses in use at once, at most."""


@dataclass(slots=True)
class Starter:
    """Starts boxes as the engine does, with nothing to talk to inside."""

    run: str
    root: Path
    state: Path
    limits: Limits
    launcher: Launcher
    hierarchy: cgroups.Hierarchy
    filter: bytes
    silence: int
    network: Network | None
    links: Links | None
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _left: list[Callable[[], None]] = field(default_factory=list)

    def to_the_end(self, profile: Profile, *, with_cgroups: bool = True) -> None:
        """Start a box, wait for its end, remove it."""
        self.start_and_exit(profile, with_cgroups=with_cgroups)
        self.remove()

    def start_and_exit(self, profile: Profile, *, with_cgroups: bool = True) -> None:
        """Start a box and wait for its end; ``remove`` does the rest."""
        number = next(self._numbers)
        outside = f"tb{self.run}n{number % _BOXES}"
        box = self._box(profile, number, outside, with_cgroups=with_cgroups)
        quiet = self.silence
        started = self.launcher.start(build.plan(box), stdin=quiet, stdout=quiet, stderr=quiet)
        held = HeldRoot()
        if profile.overlay:
            held.take(started.pid)
        status = started.wait(WAIT_S)
        self._left.append(lambda: self._remove(box, held, outside, with_cgroups=with_cgroups))
        assert status == 0, status

    def remove(self) -> None:
        """Remove all that has ended."""
        while self._left:
            self._left.pop()()

    def bundle(self, profile: Profile, directory: Path) -> Path:
        """The same box as an OCI bundle, its cgroup named after the directory.

        Its root is the layer itself, read-only: whoever mounts the overlay for an OCI runtime does
        so beforehand, and is not timed.
        """
        without = replace(profile, overlay=False)
        box = self._box(without, next(self._numbers), "", with_cgroups=True)
        directory.mkdir()
        told = describe(
            box,
            self.root,
            bounds=cgroups.bounds(self.limits),
            cgroups_path=f"/{parent_path(self.run)}/{directory.name}",
            limits_swap=box.creation is not None and box.creation.limits_swap,
        )
        bundle.write(directory, told)
        return directory

    def _box(self, profile: Profile, number: int, outside: str, *, with_cgroups: bool) -> Box:
        name, bounds = f"b{number}", cgroups.bounds(self.limits)
        return Box(
            profile=profile,
            hostname=name,
            places=BoxPaths(self.state / name, self.state / "stage"),
            ids=boxes_of_root(),
            argv=TRUE,
            environment=ENVIRONMENT,
            creation=self.hierarchy.creation(self.run, name, bounds) if with_cgroups else None,
            controllers=self.hierarchy.controllers,
            attachment=self._attachment(number, outside),
            filter=self.filter,
        )

    def _remove(self, box: Box, held: HeldRoot, outside: str, *, with_cgroups: bool) -> None:
        if box.profile.network in build.LINKED and self.links is not None:
            self.links.remove(outside)
        if with_cgroups:
            self.hierarchy.group(self.run, box.hostname).remove()
        remove_state(box.places)
        held.close()

    def _attachment(self, number: int, outside: str) -> Attachment | None:
        if self.network is None:
            return None
        prefix = self.network.gateway.rpartition(".")[0]
        return Attachment(
            namespace=self.network.host_netns,
            bridge=self.network.bridge,
            outside=outside,
            address=f"{prefix}.{2 + number % _BOXES}",
            prefix_length=self.network.prefix_length,
            gateway=self.network.gateway,
            mac=f"02:00:00:00:00:{number % _BOXES:02x}",
            mtu=self.network.mtu,
        )


@contextlib.contextmanager
def starter(
    root: Path,
    state: Path,
    cache: Path,
    run: str,
    limits: Limits,
    *,
    network: Network | None = None,
) -> Iterator[Starter]:
    """Everything that is prepared once: see namespaces.engine.prepared.

    ``run`` is one that lives, and of nobody else: see harness.host.lock.
    """
    hierarchy = cgroups.detect()
    places = BoxPaths(state, state / "stage")
    with contextlib.ExitStack() as stack:
        stack.callback(remove_tree, state)
        launcher = stack.enter_context(opened(cache, lambda _: None))
        stack.enter_context(cgroups.held(hierarchy, run))
        mapped = stack.enter_context(userns.mapped(launcher, boxes_of_root()))
        roots.prepare(launcher, roots.of(root), places, mapped)
        silence = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, silence)
        links = None if network is None else Links(network.host_netns)
        if links is not None:
            stack.callback(links.close)
        made = Starter(
            run, root, state, limits, launcher, hierarchy, seccomp.compile_filter(), silence,
            network, links,
        )  # fmt: skip
        stack.callback(made.remove)
        yield made
