"""One box by hand: no testbed, no harness, no agent; it ends with us.

It is a run of its own with a short id, so that ``invoke clean`` finds what is left of it where we
are killed, and leaves it alone while we live.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runtimes import directories, held_names
from runtimes.faults import RuntimeFault
from runtimes.launcher import Launcher
from runtimes.launcher.child import ChildProcess
from runtimes.launcher.program import opened
from runtimes.linux import cgroups, disk
from runtimes.linux.ids.maps import own_boxes
from runtimes.linux.ids.rights import is_host_root
from runtimes.linux.ids.subordinate import boxes_of_root
from runtimes.ns import build, user_lookup, userns
from runtimes.ns.build import Box
from runtimes.ns.engine import check_endable, remove_tree
from runtimes.ns.mounts import extra_mounts as additions
from runtimes.ns.mounts import mount_plan, roots
from runtimes.ns.mounts.extra_mounts import Addition
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.mounts.roots import Stack
from runtimes.ns.profile import NetworkMode, Profile
from runtimes.ns.seccomp import compiler
from runtimes.ns.user_lookup import UserIdentity
from runtimes.resources import PIDS_MAX
from runtimes.standalone.box import publish
from runtimes.standalone.box.publish import Port
from runtimes.standalone.box.settings import Settings

CANNOT_START = 125
"""Exit status where there was no box, as of `docker run`."""

YEARS_S = 1e6
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class BoxRequest:
    """What kind of box."""

    profile: Profile
    hostname: str
    cpus: tuple[int, ...]
    """Empty: all that we have."""
    memory_bytes: int | None
    state: Path
    cache: Path
    progress: Callable[[str], None]
    cpu_quota: float | None = None
    """CPUs' worth of time."""
    pids_max: int | None = None
    """``None``: as many as every box may have."""
    network: NetworkMode | None = None
    """``None``: the profile's."""
    additions: tuple[Addition, ...] = ()
    read_only: bool = False
    published: tuple[Port, ...] = ()
    disk_bytes: int = 0
    """What it may write to its root; 0: as much as there is."""


@contextlib.contextmanager
def named() -> Iterator[str]:
    """A short id of our own, ours as long as we live."""
    holder, name = None, ""
    while holder is None:
        name = secrets.token_hex(3)
        holder = held_names.claim(name)
    with holder:
        yield name


def run(name: str, wanted: BoxRequest, stack: Stack, settings: Settings) -> int:
    """Run one box to its end; exit status of its program.

    Raises:
        RuntimeFault: it could not be started.
    """
    own = wanted.state / name
    places = BoxPaths(own / "box", own / "stage")
    hierarchy, own_root = cgroups.usable(), not is_host_root()
    profile = _profile(wanted)
    with contextlib.ExitStack() as undo:
        undo.callback(_remove_state, own)
        _check(wanted, hierarchy)
        keeper = disk.required(wanted.state, wanted.disk_bytes)
        listeners = undo.enter_context(publish.listening(wanted.published))
        directories.made(wanted.state, "TAREBENCH_STATE", walked=True)
        directories.closed(own)
        directories.made(wanted.cache, "TAREBENCH_CACHE")
        launcher = undo.enter_context(opened(wanted.cache, wanted.progress))
        undo.callback(hierarchy.remove_all, name)
        hierarchy.prepare(name)
        ids = own_boxes() if own_root else boxes_of_root()
        mapped = None
        if profile.user and not own_root:
            mapped = undo.enter_context(userns.mapped(launcher, ids))
        roots.prepare(launcher, stack, places, mapped, user_xattr=own_root)
        if not profile.pivot and not profile.overlay:
            launcher.prepare(mount_plan.native_root(places))
        account = _account(launcher, places, settings.user)
        bounds = cgroups.Bounds(
            wanted.cpus or tuple(sorted(os.sched_getaffinity(0))),
            wanted.cpu_quota,
            wanted.memory_bytes,
            pids_max=wanted.pids_max or PIDS_MAX,
            controllers=profile.controllers,
        )
        layer = places.state if profile.overlay else None
        spaces = keeper.spaces(undo, layer, None)
        box = Box(
            profile=profile,
            hostname=wanted.hostname,
            places=places,
            ids=ids,
            argv=settings.argv,
            environment={"HOME": account.home or "/", **settings.environment},
            depth=stack.depth,
            creation=hierarchy.creation(name, "box", bounds),
            controllers=hierarchy.controllers,
            lifeline_fd=_lifeline(undo),
            filter=compiler.compile_filter() if profile.seccomp else b"",
            directory=settings.directory,
            account=account,
            own_root=own_root,
            additions=wanted.additions,
            read_only=wanted.read_only and profile.overlay,
            spaces=spaces,
            made=keeper.keeps,
        )
        started = launcher.start(build.plan(box), pass_fds=(box.lifeline_fd,))
        spaces.mounted()
        pass_on(started)
        publish.forward(listeners, wanted.published, started.pid)
        return started.wait(YEARS_S)


def _check(wanted: BoxRequest, hierarchy: cgroups.Hierarchy) -> None:
    """Refuse limits that nobody would enforce; tell of those that are kept in another way."""
    check_endable(wanted.profile, hierarchy)
    additions.check(wanted.additions)
    if (wanted.additions or wanted.read_only) and not wanted.profile.pivot:
        raise RuntimeFault(
            f"{wanted.profile.summary}: its root is only changed to, nothing can be added to it",
            hint="leave --bind, --tmpfs and --read-only out, or choose another profile",
        )
    kept = wanted.profile.capabilities or wanted.profile.seccomp
    if not kept and (wanted.read_only or any(map(additions.is_read_only, wanted.additions))):
        raise RuntimeFault(
            f"{wanted.profile.summary}: its root may mount, so nothing stays read-only to it",
            hint="leave --read-only and :ro out, or choose another profile",
        )
    if wanted.published and _profile(wanted).network is NetworkMode.HOST:
        raise RuntimeFault(
            "--publish: the box has the host's ports already", hint="leave --network host out"
        )
    absent = hierarchy if isinstance(hierarchy, cgroups.Absent) else None
    for option, value, controller in (
        ("--memory", wanted.memory_bytes, "memory"),
        ("--cpu-quota", wanted.cpu_quota, "cpu"),
        ("--pids", wanted.pids_max, "pids"),
    ):
        if value and controller not in hierarchy.enforces:
            why = absent.why if absent else f"controller {controller} is not ours to use"
            raise RuntimeFault(
                f"{option} {value} cannot be enforced: {why}",
                hint=absent.hint if absent else "run as root, or have it delegated",
            )
    if wanted.cpus and "cpuset" not in hierarchy.enforces:
        wanted.progress("--cpus is kept by affinity only, which the box can change")


def pass_on(started: ChildProcess) -> None:
    """Signals that are meant to end us end the box, and we with its status."""
    for number in ENDING:
        signal.signal(number, lambda number, _: started.signal(number))


def _profile(wanted: BoxRequest) -> Profile:
    """There is no testbed here to be linked to."""
    network = wanted.network or wanted.profile.network
    network = NetworkMode.NONE if network in build.LINKED else network
    return replace(wanted.profile, network=network)


def _account(launcher: Launcher, places: BoxPaths, user: str) -> UserIdentity:
    """Who ``user`` is in the root, which the launcher sees in its own mount namespace."""
    if not user:
        return user_lookup.ROOT
    path = f"/proc/{launcher.pids()[0]}/root{places.plain}"
    root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return user_lookup.find(user, root)
    finally:
        os.close(root)


def _lifeline(undo: contextlib.ExitStack) -> int:
    """A pipe that the box's init reads: with us it ends, however we do."""
    lifeline, held = os.pipe()
    undo.callback(os.close, held)
    undo.callback(os.close, lifeline)
    return lifeline


def _remove_state(own: Path) -> None:
    remove_tree(own)
    with contextlib.suppress(OSError):  # another run's state is in it
        own.parent.rmdir()
