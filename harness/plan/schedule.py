"""The order of trials: random blocks from a recorded seed.  Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from results.records.records import arm_name


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """Backend and profile: one side of the experiment."""

    backend: str
    profile: str = "default"

    @property
    def name(self) -> str:
        """``docker``, or ``docker:host-net``."""
        return arm_name(self.backend, self.profile)


@dataclass(frozen=True, slots=True)
class Slot:
    """One planned trial."""

    block: int
    """Counts from 1 within a workload; each holds every arm once."""
    position: int
    """Place in the block's random order, from 0."""
    arm: Arm
    workload: str

    @property
    def trial_id(self) -> str:
        """``cpu.sysbench-b003-docker``: unique in a run, readable in a journal."""
        return f"{self.workload}-b{self.block:03d}-{self.arm.name}"


def schedule(
    arms: Sequence[Arm],
    workloads: Sequence[str],
    *,
    blocks: int,
    seed: int,
    rounds: Mapping[str, int] | None = None,
) -> Iterator[Slot]:
    """Every trial in the order in which it runs.

    Within a round of blocks the workloads come in random order, and the arms of each block in
    random order of their own, next to each other in time: what drifts hits all arms alike.
    The order depends on nothing but the arguments, so a resumed run continues the same one.
    """
    # Not for secrets: a schedule must be repeatable from its seed.
    generator = random.Random(seed)  # noqa: S311
    ordered_arms, ordered_workloads = sorted(arms), sorted(workloads)
    per_round = rounds or {}
    for index in range(blocks):
        queue = [
            (workload, index * count + turn + 1)
            for workload in ordered_workloads
            for count in (per_round.get(workload, 1),)
            for turn in range(count)
        ]
        generator.shuffle(queue)
        for workload, block in queue:
            order = list(ordered_arms)
            generator.shuffle(order)
            for position, arm in enumerate(order):
                yield Slot(block, position, arm, workload)
