"""From an OCI configuration to an ``ns`` plan: the way back of describe.py.

The order is that of runtimes/ns/build.py.  A container that is made by two commands has
points at which its making stops: see ``Waits``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtimes.launcher import Plan, Side, Step
from runtimes.launcher import operations as ops
from runtimes.launcher.operations import Operation
from runtimes.launcher.operations import base as kernel
from runtimes.linux.cgroups import Creation
from runtimes.ns import capabilities
from runtimes.ns.build import OWN_MAKING, cgroup_steps, join_steps
from runtimes.ns.mounts import mount_plan
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.oci.configuration import Configuration, Hook, IdRange
from runtimes.standalone.oci import mount_operations
from runtimes.standalone.oci.read_process import RESOURCES

FLAGS: Mapping[str, int] = {
    "mount": kernel.CLONE_NEWNS,
    "pid": kernel.CLONE_NEWPID,
    "network": kernel.CLONE_NEWNET,
    "ipc": kernel.CLONE_NEWIPC,
    "uts": kernel.CLONE_NEWUTS,
    "user": kernel.CLONE_NEWUSER,
    "cgroup": kernel.CLONE_NEWCGROUP,
    "time": kernel.CLONE_NEWTIME,
}
_JOINED_BY_CHILD = ("ipc", "uts", "cgroup")
"""The others are the launcher's to join: a child is born in them."""


@dataclass(frozen=True, slots=True)
class Waits:
    """What a container waits for while it is being made; descriptors are the caller's."""

    listener_fd: int
    """Whoever connects starts the program."""
    ask_fd: int = -1
    """Socket by which the caller is asked to do its part; -1: it has none."""
    console_fd: int = -1
    """Socket for the terminal's master."""
    creating: tuple[str, str] = ("", "")
    created: tuple[str, str] = ("", "")
    """The container's state, for hooks, before and after its pid."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the host gives a box made from a configuration."""

    places: BoxPaths
    """``places.plain`` is where ``staged`` has mounted the root."""
    creation: Creation | None = None
    controllers: Mapping[str, Path] | None = None
    filter: bytes = b""
    """The configuration's filter, compiled."""
    lifeline_fd: int = -1
    waits: Waits | None = None


def staged(one: Configuration, bundle: Path, places: BoxPaths) -> Plan:
    """What the launcher mounts beforehand: the root."""
    root = ops.Bind(
        str(bundle / one.root), str(places.plain), recursive=False, attributes=kernel.NODEV
    )
    return Plan((Step(Side.LAUNCHER, "staged", root),))


def plan(one: Configuration, means: Means) -> Plan:
    """The steps that make the box that ``one`` describes.

    Raises:
        RuntimeFault: valid, and yet not for ``ns``: too many bind mounts, writable cgroups.
    """
    mount_operations.check(one)
    owner = (one.uid_map[0].outside, one.gid_map[0].outside) if one.uid_map else (0, 0)
    root = str(means.places.root)
    asked = means.waits is not None and means.waits.ask_fd >= 0
    parts: list[tuple[Side, str, Iterable[Operation]]] = [
        (Side.LAUNCHER, "cgroups", cgroup_steps(means.creation)),
        (Side.LAUNCHER, "root", [ops.CloneTree(mount_plan.ROOT_SLOT, str(means.places.plain))]),
        (Side.LAUNCHER, "devices", mount_operations.devices(one, owner) if one.uid_map else []),
        (Side.LAUNCHER, "binds", mount_operations.held(one, means.creation)),
        (Side.LAUNCHER, "cloned", _clone(one, means.creation)),
        (Side.LAUNCHER, "mapped", _map(one)),
        (Side.CHILD, "joined", _join(one, means.creation)),
        *(_ask(one, means.waits) if means.waits is not None and asked else ()),
        (Side.CHILD, "hooks", _hooks(one.hooks.create_container, means.waits, created=False)),
        (Side.CHILD, "rooted", [ops.Attach(mount_plan.ROOT_SLOT, root), ops.PivotRoot(root)]),
        (Side.CHILD, "released", [*([ops.Wait()] if one.uid_map and not asked else []),
                                  ops.Identity()]),
        (Side.CHILD, "proc", mount_operations.kernel_file_systems(one)),
        (Side.CHILD, "left", (ops.LeaveOldRoot(),)),
        (Side.CHILD, "view", mount_operations.mounted(one, means.creation, means.controllers)),
        (Side.CHILD, "settings", mount_operations.settings(one)),
        (Side.CHILD, "view", [mount_plan.READ_ONLY_ROOT] if one.root_read_only else []),
        (Side.CHILD, "hidden", mount_operations.hidden(one)),
        (Side.CHILD, "view", mount_operations.propagation(one)),
        (Side.CHILD, "terminal", terminal(one, means.waits, console=True)),
        (Side.CHILD, "confined", confine(one, means.filter, _started(one, means.waits))),
        (Side.CHILD, "executed", (_program(one, means),)),
    ]  # fmt: skip
    return Plan(tuple(Step(side, stage, each) for side, stage, many in parts for each in many))


def _clone(one: Configuration, creation: Creation | None) -> list[Operation]:
    joined = [
        ops.EnterNamespace(path, FLAGS[kind])
        for kind, path in one.namespaces
        if path and kind not in _JOINED_BY_CHILD
    ]
    born_in = str(creation.born_in) if creation and creation.born_in else ""
    return [*joined, ops.Clone(_made(one) & ~OWN_MAKING, born_in)]


def _made(one: Configuration) -> int:
    return sum(FLAGS[kind] for kind, path in one.namespaces if not path)


def _map(one: Configuration) -> list[Operation]:
    if not one.uid_map:
        return []
    return [ops.IdMap(_lines(one.uid_map), _lines(one.gid_map)), ops.Post()]


def _lines(ranges: tuple[IdRange, ...]) -> str:
    return "\n".join(f"{each.inside} {each.outside} {each.count}" for each in ranges)


def _join(one: Configuration, creation: Creation | None) -> list[Operation]:
    steps = join_steps(creation)
    steps += [
        ops.EnterNamespace(path, FLAGS[kind])
        for kind, path in one.namespaces
        if path and kind in _JOINED_BY_CHILD
    ]
    if own := _made(one) & OWN_MAKING:
        steps.append(ops.Unshare(own))
    if one.hostname:
        steps.append(ops.Hostname(one.hostname))
    if _made(one) & kernel.CLONE_NEWNET:
        steps.append(ops.Loopback())
    return steps


def _ask(one: Configuration, waits: Waits) -> list[tuple[Side, str, list[Operation]]]:
    """The namespaces are there, the root is the host's still: the caller does its part.

    The launcher's word that the ids are mapped comes first on the same socket.
    """
    return [
        (Side.CHILD, "asking", [ops.Post()]),
        (Side.LAUNCHER, "asked", [ops.Wait(), ops.Ask(waits.ask_fd), ops.Post()]),
        (Side.CHILD, "answered", [*([ops.Wait()] if one.uid_map else []), ops.Wait()]),
    ]


def _hooks(hooks: Iterable[Hook], waits: Waits | None, *, created: bool) -> list[Operation]:
    if waits is None:
        return []
    state = waits.created if created else waits.creating
    return [
        ops.Hook(each.path, each.argv, each.environment, each.timeout_s, state) for each in hooks
    ]


def terminal(one: Configuration, waits: Waits | None, *, console: bool) -> list[Operation]:
    """The program's terminal, where it wants one."""
    if waits is None or not one.terminal:
        return []
    return [ops.Terminal(waits.console_fd, one.uid, one.gid, one.rows, one.columns, console)]


def _started(one: Configuration, waits: Waits | None) -> list[Operation]:
    """Wait to be started, and what comes between that and the program."""
    if waits is None:
        return []
    hooks = _hooks(one.hooks.start_container, waits, created=True)
    return [ops.AwaitStart(waits.listener_fd), *hooks]


def confine(
    one: Configuration, program: bytes, before: Iterable[Operation] = ()
) -> list[Operation]:
    """Become the program's user and give up what it must not have.

    ``before`` are steps that come last, but for the filter where that may be loaded then.
    """
    limits = [ops.ResourceLimit(RESOURCES[each.kind], each.soft, each.hard) for each in one.limits]
    user = [ops.Identity(one.uid, one.gid, one.groups)] if (one.uid, one.gid, *one.groups) != (
        0, 0) else []  # fmt: skip
    sieve: list[Operation] = [ops.Seccomp(program)] if program else []
    if one.no_new_privileges:
        return [*limits, *user, _rights(one), ops.NoNewPrivileges(), *before, *sieve]
    # Without no_new_privs only a process that still has its capabilities may load a filter.
    return [*limits, *sieve, *user, _rights(one), *before]


def _rights(one: Configuration) -> Operation:
    mask = capabilities.mask
    if one.held is None:
        return ops.Capabilities(mask(one.capabilities))
    held = one.held
    return ops.Capabilities(
        mask(one.capabilities),
        mask(held.effective),
        mask(held.permitted),
        mask(held.inheritable),
        mask(held.ambient),
    )


def _program(one: Configuration, means: Means) -> Operation:
    """A container's program is the first process itself; a box of ours has an init."""
    init = means.waits is None and one.makes("pid")
    return ops.Execute(one.argv, one.environment, init, means.lifeline_fd, one.directory,
                       one.umask)  # fmt: skip
