"""Where an OCI runtime finds the box's root: a private mount table with the overlay prepared.

Docker's and containerd's snapshotters mount a container's overlay in the host's mount table.
Here the same overlay that ``ns`` mounts (idmapped layers and all) is mounted in a namespace of
the shim's own, so that it is gone when shim and container are, and never seen by others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runtimes.launcher import Plan, Side, Step
from runtimes.launcher.operations import (
    Attach,
    Clone,
    Execute,
    MakeDirectory,
    Mount,
    Operation,
)
from runtimes.launcher.operations import base as kernel
from runtimes.namespaces import roots, view
from runtimes.namespaces.build import Box


def plan(box: Box, argv: Sequence[str], environment: Mapping[str, str]) -> Plan:
    """Run ``argv`` (the shim) where ``box``'s root is mounted at ``box.places.root``."""
    parts: list[tuple[Side, str, Sequence[Operation]]] = [
        (Side.LAUNCHER, "root", root_steps(box)),
        (Side.LAUNCHER, "cloned", [Clone(kernel.CLONE_NEWNS)]),
        (
            Side.CHILD,
            "nested",
            [
                Mount("", "/", "", kernel.REC_PRIVATE),
                Attach(view.ROOT_SLOT, str(box.places.root)),
            ],
        ),
        (Side.CHILD, "shim", [Execute(tuple(argv), tuple(environment.items()), init=False)]),
    ]
    return Plan(tuple(Step(side, stage, one) for side, stage, many in parts for one in many))


def root_steps(box: Box) -> list[Operation]:
    """The launcher's part: the writable layer, and the root as a detached mount."""
    return [*_directories(box), _root(box)]


def _directories(box: Box) -> list[Operation]:
    """As roots.make_directories, in an instance's directory that is there already."""
    owner = box.ids.root if box.profile.user else (0, 0)
    made = roots.make_directories(box.places, owner) if box.profile.overlay else []
    return [
        one
        for one in made
        if not (isinstance(one, MakeDirectory) and Path(one.path) == box.places.state)
    ]


def _root(box: Box) -> Operation:
    profile = box.profile
    if profile.overlay:
        return roots.overlay(box.depth, box.places, mapped=profile.user, volatile=profile.volatile)
    return roots.read_only_root(box.depth, box.places, mapped=profile.user)
