"""A user namespace that only holds an id map, for mounts whose owners are seen through it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from runtimes.launcher import Launcher, Plan, Side, Step
from runtimes.launcher.operations import Clone, Hold, IdMap, Operation, Post, Wait
from runtimes.launcher.operations.base import CLONE_NEWUSER
from runtimes.linux.ids.maps import BoxIds, lines


@contextlib.contextmanager
def mapped(launcher: Launcher, ids: BoxIds) -> Iterator[int]:
    """Descriptor of a user namespace with the id maps of boxes, valid in the context.

    The descriptor alone keeps the namespace; no process lives in it.

    Raises:
        LaunchFault: user namespaces are switched off on this host.
    """
    descriptor = _open_mapped(launcher, ids)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def holding(ids: BoxIds, lifeline_fd: int) -> Plan:
    """A process in a user namespace with the id maps of boxes, until its lifeline is cut."""
    steps: list[tuple[Side, Operation]] = [
        (Side.LAUNCHER, Clone(CLONE_NEWUSER)),
        (Side.LAUNCHER, IdMap(lines(ids.uids), lines(ids.gids))),
        (Side.LAUNCHER, Post()),
        (Side.CHILD, Wait()),
        (Side.CHILD, Hold(lifeline_fd)),
    ]
    return Plan(tuple(Step(side, "idmap", operation) for side, operation in steps))


def _open_mapped(launcher: Launcher, ids: BoxIds) -> int:
    lifeline, held = os.pipe()
    try:
        started = launcher.start(holding(ids, lifeline), pass_fds=(lifeline,))
        try:
            return os.open(f"/proc/{started.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(held)
            held = -1
            started.wait(timeout_s=5.0)
    finally:
        os.close(lifeline)
        if held >= 0:
            os.close(held)
