"""Traces of hosts: what trials of randomised blocks see on them, from a seed.

How far readings of one speed scatter, and when the clock changes between its two, is not made up:
it is replayed from the runs that were recorded on a shared host (``support.recorded``), from a
place in them that the seed chooses.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from support import recorded

from results.gating import Observation, observed, online_cpus, speeds
from results.store.store import RunDirectory

ARMS = ("native", "native:aa", "ns", "docker", "containerd")
WORKLOADS = ("cpu.a", "cpu.b", "memory.a", "memory.b", "network.a", "startup.a")
BLOCKS = 6
TRIAL_S = 1.1
ONLINE = 2
TICKS = round(TRIAL_S * 100) * ONLINE
"""Of steal counters, in one trial."""
WITHIN = 3
"""Readings in the middle of a trial, beside the one before and the one after."""
SLOWER, STOLEN, USED = 1.4, 0.3, 0.4
"""What disturbs: the clock at 0.7, a third of all CPU time stolen, most of one of two CPUs used."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Every trial of a run, in order."""

    observations: Sequence[Observation]
    disturbed: frozenset[int] = frozenset()
    """Places of those that something really disturbed."""


@functools.cache
def readings() -> tuple[tuple[int, float], ...]:
    """Of the recorded runs in order: which of the two speeds, and how far from it, as a factor."""
    found = []
    for name in recorded.BOTH:
        directory = RunDirectory.open(name, recorded.RUNS)
        online = online_cpus(directory.run().host)
        seen = [each for trial in directory.recorded() if (each := observed(trial, online))]
        took = [ns for each in seen for _, ns in each.pace]
        clock = speeds(took)
        assert clock is not None
        middle = (clock.fast_ns * clock.slow_ns) ** 0.5
        found += [
            (int(ns > middle), ns / (clock.slow_ns if ns > middle else clock.fast_ns))
            for ns in took
        ]
    return tuple(found)


@dataclass(slots=True)
class _Replay:
    """Recorded readings, from a place that chance chose."""

    chance: random.Random
    apart: float
    """How much longer the work takes at the slower speed; 0 for a clock with one."""
    _place: int = 0

    def __post_init__(self) -> None:
        self._place = self.chance.randrange(len(readings()))

    def trial(self) -> tuple[tuple[int, int], ...]:
        """Readings of one trial: between the first and the last the clock is at either's speed."""
        first, last = self._next(), self._next()
        middle = [
            (self.chance.choice((first, last))[0], self.chance.choice(readings())[1])
            for _ in range(WITHIN)
        ]
        return tuple(
            (round(at * 1e9 * TRIAL_S / (WITHIN + 1)), self._ns(*reading))
            for at, reading in enumerate((first, *middle, last))
        )

    def _next(self) -> tuple[int, float]:
        self._place = (self._place + 1) % len(readings())
        return readings()[self._place]

    def _ns(self, slow: int, factor: float) -> int:
        return round(100_000 * (1 + self.apart * slow) * factor)


def calm(seed: int, *, apart: float = 0.0) -> list[Observation]:
    """Trials in random blocks with nothing but their clock: neither steal nor others."""
    chance = random.Random(seed)
    replay, found = _Replay(chance, apart), []
    for block in range(1, BLOCKS + 1):
        for workload in chance.sample(WORKLOADS, len(WORKLOADS)):
            for arm in chance.sample(ARMS, len(ARMS)):
                stolen = chance.random() < 0.05  # a tick now and then, as recorded
                found.append(Observation(arm, workload, block, replay.trial(), stolen / TICKS, 0.0))
    return found


def quiet(seed: int) -> Trace:
    """A host of one's own."""
    return Trace(calm(seed))


def two_speeds(seed: int) -> Trace:
    """A clock whose speeds are a fifth apart."""
    return Trace(calm(seed, apart=0.2))


def steady_steal(seed: int) -> Trace:
    """A twentieth of the CPUs' time is stolen all the time, as ticks count it."""
    chance = random.Random(seed)
    ticks = [sum(chance.random() < 0.05 for _ in range(TICKS)) for _ in calm(seed)]
    return Trace(
        [replace(each, steal=n / TICKS) for each, n in zip(calm(seed), ticks, strict=True)]
    )


def neighbour(seed: int) -> Trace:
    """A process that works for about ten seconds, and comes back after about half a minute."""
    chance = random.Random(seed)
    now, works, until = 0.0, False, chance.expovariate(1 / 30)
    found, disturbed = [], set()
    for place, each in enumerate(calm(seed)):
        end, worked_s = now + TRIAL_S, 0.0
        while now < end:
            step = min(until, end)
            worked_s += (step - now) * works
            now = step
            if now == until:
                works = not works
                until = now + chance.expovariate(1 / 10 if works else 1 / 30)
        share = USED * worked_s / TRIAL_S
        if share > 0.75 * USED:
            disturbed.add(place)
        found.append(replace(each, others=share, names=("cc1",) if share else ()))
    return Trace(found, frozenset(disturbed))


Disturb = Callable[[Observation], Observation]


def slowed(by: float) -> Disturb:
    """The clock was so much slower."""
    return lambda each: replace(each, pace=tuple((at, round(by * took)) for at, took in each.pace))


DISTURBANCES: Mapping[str, Disturb] = {
    "frequency-drift": slowed(SLOWER),
    "arm-drift": slowed(SLOWER),
    "steal": lambda each: replace(each, steal=STOLEN),
    "busy-host": lambda each: replace(each, others=USED, names=("cc1",)),
}
"""Gate → what it is there to find."""


def alone(seed: int, disturb: Disturb, *, apart: float = 0.0) -> Trace:
    """One trial in twenty is disturbed, whichever it is."""
    chance = random.Random(seed)
    plain = calm(seed, apart=apart)
    hit = frozenset(chance.sample(range(len(plain)), len(plain) // 20))
    return Trace([disturb(each) if at in hit else each for at, each in enumerate(plain)], hit)


def one_arm(seed: int, disturb: Disturb, *, apart: float = 0.0) -> Trace:
    """Every trial of ``ns`` is disturbed, and no other."""
    plain = calm(seed, apart=apart)
    hit = frozenset(at for at, each in enumerate(plain) if each.arm == "ns")
    return Trace([disturb(each) if at in hit else each for at, each in enumerate(plain)], hit)
