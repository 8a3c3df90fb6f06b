"""What was seen of the host around one trial: all that judging a run as a whole needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from results.records.records import Pressure, Trial, arm_name

TICK_S = 0.01
"""Steal is counted in ticks of USER_HZ, 100 a second on every architecture (proc_stat(5)): one
more or less stands for nothing, and in a trial of 30 ms it would be a sixth of two CPUs."""

LONGEST_S = 1e9
"""A trial that says it took longer is not to be believed, nor to overflow anything."""

NAME_LIMIT = 16
"""Characters of a process's name: TASK_COMM_LEN of proc(5)."""

Group = tuple[str, int]
"""Workload and block."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One trial, or one instance of a block whose instances were up together."""

    arm: str
    workload: str
    block: int
    pace: tuple[tuple[int, int], ...] = ()
    """Readings in order: (instant, how long a fixed piece of work took), in ns."""
    steal: float = 0.0
    """Share of all CPUs' time, certainly stolen."""
    others: float | None = None
    """Share of all CPUs' time that foreign processes used; None: nobody looked."""
    names: tuple[str, ...] = ()
    """Of these processes."""
    counts: bool = True
    """It ran as planned and its arm can count: others may be held against it."""

    @property
    def group(self) -> Group:
        """What it is compared within."""
        return self.workload, self.block


def observed(trial: Trial, online: int) -> Observation | None:
    """What a recorded trial saw; None where nobody looked.

    Args:
        trial: as it was recorded.
        online: CPUs of the host.
    """
    around = trial.pressure
    if around is None:
        return None
    lasting = any(each.severity == "invalid" and not each.transient for each in trial.findings)
    uncertain = TICK_S / (around.seconds * online) if around.seconds > 0 else 1.0
    return Observation(
        arm=arm_name(trial.backend, trial.profile),
        workload=trial.workload,
        block=trial.block,
        pace=_pace(around),
        steal=max(0.0, around.steal_ratio - uncertain),
        others=None if around.other_cpus is None else around.other_cpus / online,
        names=around.others,
        counts=trial.status != "failed" and not lasting,
    )


def _pace(around: Pressure) -> tuple[tuple[int, int], ...]:
    """Readings of any age: of the work, of it before and after only, else of the clock itself."""
    found: tuple[tuple[int, int], ...] = around.pace
    ended_ns = round(min(max(around.seconds, 0.0), LONGEST_S) * 1e9)
    if not found and around.spin_ns is not None:
        before, after = around.spin_ns
        found = ((0, before), (ended_ns, after))
    if not found and around.frequency_khz is not None and min(around.frequency_khz) > 0:
        first, last = (round(1e12 / khz) for khz in around.frequency_khz)  # a thousand cycles, fs
        found = ((0, first), (ended_ns, last))
    return tuple((at, took) for at, took in found if took > 0)


def plain_name(name: str) -> str:
    """A process's name, fit for a sentence."""
    return "".join(char if char.isprintable() else "?" for char in name[:NAME_LIMIT])


def online_cpus(host: Mapping[str, Any]) -> int:
    """CPUs of the host, from its facts; 1 where they do not say."""
    cpu = host.get("cpu")
    online = cpu.get("online", 1) if isinstance(cpu, Mapping) else 1
    return max(1, online) if isinstance(online, int) else 1
