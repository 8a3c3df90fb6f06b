"""Where an OCI runtime finds the box's root: a private mount table with the overlay prepared.

Docker's and containerd's snapshotters mount a container's overlay in the host's mount table.
Here the same overlay that ``ns`` mounts (idmapped layers and all) is mounted in a namespace of
the shim's own, so that it is gone when shim and container are, and never seen by others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtimes.launcher import Plan, Side, Step
from runtimes.launcher.operations import (
    Attach,
    Clone,
    Execute,
    Mount,
    Operation,
)
from runtimes.launcher.operations import base as kernel
from runtimes.ns.build import Box, volume_mounts, volume_unmounts
from runtimes.ns.mounts import mount_plan, roots


def plan(box: Box, argv: Sequence[str], environment: Mapping[str, str]) -> Plan:
    """Run ``argv`` (the shim) where ``box``'s root is mounted at ``box.places.root``."""
    parts: list[tuple[Side, str, Sequence[Operation]]] = [
        (Side.LAUNCHER, "root", [*root_steps(box), *volume_mounts(box)]),
        (Side.LAUNCHER, "cloned", [Clone(kernel.CLONE_NEWNS)]),
        (Side.LAUNCHER, "unmounted", volume_unmounts(box)),
        (
            Side.CHILD,
            "nested",
            [
                Mount("", "/", "", kernel.REC_PRIVATE),
                Attach(mount_plan.ROOT_SLOT, str(box.places.root)),
            ],
        ),
        (Side.CHILD, "shim", [Execute(tuple(argv), tuple(environment.items()), init=False)]),
    ]
    return Plan(tuple(Step(side, stage, one) for side, stage, many in parts for one in many))


def root_steps(box: Box) -> list[Operation]:
    """The launcher's part: the writable layer, and the root as a detached mount."""
    profile, places = box.profile, box.places
    if not profile.overlay:
        return [roots.read_only_root(box.depth, places, mapped=profile.user)]
    overlay = roots.overlay(box.depth, places, mapped=profile.user, volatile=profile.volatile)
    owner = box.ids.root if profile.user else (0, 0)
    return roots.writable(overlay, places, owner, made=True, device=box.spaces.layer.device)
