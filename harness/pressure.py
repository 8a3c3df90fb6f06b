"""What the rest of the host did during a trial: steal, load, PSI, swap."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.clock import Clock
from results.records import Pressure

Reader = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters at one instant."""

    at_ns: int
    steal_ticks: int
    total_ticks: int
    load_1m: float
    psi_us: dict[str, int | None]
    """Total stall time of ``cpu``, ``memory``, ``io``; None where the kernel has no PSI."""
    swapped_pages: int


def read_proc(name: str) -> str:
    """Content of ``/proc/<name>``; empty where there is none."""
    try:
        return Path("/proc", name).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def take(clock: Clock, read: Reader = read_proc) -> Reading:
    """Read all counters; about 0.2 ms."""
    ticks = [int(field) for field in read("stat").split("\n", 1)[0].split()[1:9]]
    ticks += [0] * (8 - len(ticks))
    load = read("loadavg").split()
    return Reading(
        at_ns=clock.now_ns(),
        steal_ticks=ticks[7],  # proc(5): user nice system idle iowait irq softirq steal
        total_ticks=sum(ticks),
        load_1m=float(load[0]) if load else 0.0,
        psi_us={name: _psi_total(read(f"pressure/{name}")) for name in ("cpu", "memory", "io")},
        swapped_pages=_swapped(read("vmstat")),
    )


def between(before: Reading, after: Reading) -> Pressure:
    """What happened from ``before`` to ``after``."""
    elapsed_us = max(1, (after.at_ns - before.at_ns) // 1000)
    ticks = max(1, after.total_ticks - before.total_ticks)

    def ratio(name: str) -> float | None:
        first, last = before.psi_us[name], after.psi_us[name]
        return None if first is None or last is None else (last - first) / elapsed_us

    return Pressure(
        seconds=elapsed_us / 1e6,
        steal_ratio=(after.steal_ticks - before.steal_ticks) / ticks,
        load_1m=after.load_1m,
        cpu_some_ratio=ratio("cpu"),
        memory_some_ratio=ratio("memory"),
        io_some_ratio=ratio("io"),
        swapped_bytes=(after.swapped_pages - before.swapped_pages) * os.sysconf("SC_PAGE_SIZE"),
    )


def _psi_total(text: str) -> int | None:
    # The first line reads: some avg10=… avg60=… avg300=… total=… (kernel: accounting/psi.rst).
    first = text.split("\n", 1)[0]
    _, found, total = first.rpartition("total=")
    return int(total) if first.startswith("some") and found else None


def _swapped(vmstat: str) -> int:
    return sum(
        int(line.split()[1])
        for line in vmstat.splitlines()
        if line.startswith(("pswpin ", "pswpout "))
    )
