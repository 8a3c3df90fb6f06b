"""Watching the host around a trial."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.clock import Clock
from harness.host.pressure import counters, others
from harness.host.pressure.counters import PSI, Counters
from harness.host.pressure.pace import settled
from harness.host.pressure.sampling import Reading, Sampler
from harness.host.pressure.sensors import Sensors
from results.records.records import Pressure

Ended = Callable[[], Pressure]
"""Called when the trial has ended; tells what happened since."""


class Watch(Protocol):
    """Called when a trial begins."""

    def __call__(self, *, during: bool = False) -> Ended:
        """Look now; ``during``: also while the trial is at work, since that is harmless."""
        ...


NOTHING = Pressure(
    seconds=0.0,
    steal_ratio=0.0,
    load_1m=0.0,
    cpu_some_ratio=None,
    memory_some_ratio=None,
    io_some_ratio=None,
    swapped_bytes=0,
)


def unwatched(*, during: bool = False) -> Ended:
    """For trials that happen in a dry run only."""
    del during
    return lambda: NOTHING


@dataclass(frozen=True, slots=True)
class _Look:
    counters: Counters
    processes: others.Snapshot
    pace: Reading
    frequency_khz: int | None
    throttles: int | None


@dataclass(slots=True)
class HostWatch:
    """Watches the host that we run on; one for a run, since it remembers the kernel's threads."""

    clock: Clock
    sensors: Sensors
    ours: Callable[[], frozenset[int]]
    """The engines' daemons, as they are now."""
    own_cgroup: str
    """Directory of the run's cgroups, where the host has cgroup v2."""
    _kernel_threads: set[int] = field(default_factory=set, init=False)

    def __call__(self, *, during: bool = False) -> Ended:
        """Look now, and again when what is returned is called."""
        before = self._look()
        sampler = Sampler(self.clock.now_ns)
        if during:
            sampler.start()
        return lambda: self._between(before, sampler.stop(), self._look())

    def _look(self) -> _Look:
        spun = (self.clock.now_ns(), settled())
        return _Look(
            pace=spun,
            frequency_khz=self.sensors.frequency_khz(),  # at once: it falls when idle
            throttles=self.sensors.throttles(),
            processes=others.snapshot(self._kernel_threads),
            counters=counters.take(self.clock.now_ns(), self.own_cgroup),
        )

    def _between(self, before: _Look, during: Sequence[Reading], after: _Look) -> Pressure:
        me = os.getpid()
        foreign = others.between(before.processes, after.processes, {me, *self.ours()}, me)
        first, last = before.counters, after.counters
        elapsed_us = max(1, (last.at_ns - first.at_ns) // 1000)
        ticks = max(1, last.total_ticks - first.total_ticks)
        stalls = {name: _ratio(first.psi_us[name], last.psi_us[name], elapsed_us) for name in PSI}
        seconds = elapsed_us / 1e6
        cpus = float(os.cpu_count() or 1)  # ticks are coarse: never more than there can be
        return Pressure(
            seconds=seconds,
            steal_ratio=(last.steal_ticks - first.steal_ticks) / ticks,
            load_1m=last.load_1m,
            cpu_some_ratio=stalls["cpu"],
            memory_some_ratio=stalls["memory"],
            io_some_ratio=stalls["io"],
            swapped_bytes=(last.swapped_pages - first.swapped_pages) * os.sysconf("SC_PAGE_SIZE"),
            memory_own_ratio=_ratio(first.own_memory_us, last.own_memory_us, elapsed_us),
            other_cpus=min(foreign.ticks / os.sysconf("SC_CLK_TCK") / seconds, cpus),
            others=foreign.names,
            pace=tuple(
                (at_ns - before.pace[0], took_ns)
                for at_ns, took_ns in (before.pace, *during, after.pace)
            ),
            frequency_khz=_both(before.frequency_khz, after.frequency_khz),
            throttle_events=_more(before.throttles, after.throttles),
            hot=self.sensors.hot(),
            ksm_pages_sharing=last.ksm_pages_sharing,
            ksm_pages_more=max(0, last.ksm_pages_sharing - first.ksm_pages_sharing),
            clock_source=last.clock_source,
        )


def _ratio(first_us: int | None, last_us: int | None, elapsed_us: int) -> float | None:
    more = _more(first_us, last_us)
    return None if more is None else more / elapsed_us


def _more(first: int | None, last: int | None) -> int | None:
    return None if first is None or last is None else max(0, last - first)


def _both(first: int | None, last: int | None) -> tuple[int, int] | None:
    return None if first is None or last is None else (first, last)
