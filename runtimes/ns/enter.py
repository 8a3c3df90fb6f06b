"""A further program in a running box: the same namespaces, cgroups, rights and filter."""

from __future__ import annotations

from collections.abc import Mapping

from runtimes.faults import RuntimeFault
from runtimes.launcher import Plan, Side, fixed, segment
from runtimes.launcher.operations import (
    ChildrenIn,
    Clone,
    EnterProcess,
    Execute,
    Identity,
    Operation,
)
from runtimes.launcher.operations import base as kernel
from runtimes.linux.cgroups import Creation
from runtimes.ns import build
from runtimes.ns.profile import NetworkMode, Profile


def plan(
    profile: Profile,
    creation: Creation,
    pidfd: int,
    argv: tuple[str, ...],
    *,
    sets_groups: bool,
    environment: Mapping[str, str],
    program: bytes,
) -> Plan:
    """The steps of one program in the box whose main process ``pidfd`` is.

    The launcher only lends its next child the box's PID namespace; the child joins the cgroups
    and then all other namespaces at once, and is confined as the box's own program is.

    Raises:
        RuntimeFault: the profile's root is only changed to, so it has no namespace to join it by.
    """
    if not profile.pivot:
        raise RuntimeFault(
            "no program can be added to a box whose root is only changed to",
            hint="use a profile with pivot_root, e.g. default",
        )
    born_in = "" if creation.born_in is None else str(creation.born_in)
    before: list[Operation] = [ChildrenIn(pidfd)] if profile.pid else []
    flags = build.namespaces(profile) & ~(kernel.CLONE_NEWPID | kernel.CLONE_NEWTIME)
    if profile.network is NetworkMode.HOST:
        flags |= kernel.CLONE_NEWNET
    joined = [
        *build.join_steps(creation),
        EnterProcess(pidfd, flags),
        Identity(sets_groups=sets_groups),
    ]
    execute = Execute(argv, tuple(environment.items()), init=False)
    return Plan.joined(
        [
            segment(Side.LAUNCHER, "cloned", [*before, Clone(0, born_in)]),
            segment(Side.CHILD, "entered", joined),
            fixed(Side.CHILD, "confined", build.confine, profile, program),
            segment(Side.CHILD, "executed", [execute]),
        ]
    )
