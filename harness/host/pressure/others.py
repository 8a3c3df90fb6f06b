"""Who else used the CPUs: processes of neither box nor harness, with their names.

The load average is no measure of it: it holds a minute of the run's own past.  Nor is the CPU
time of the whole host, in which the kernel's work for the box cannot be told from others'.  So
processes are looked at before and after, and only time that is certainly not ours is counted:
what a box or its engine did never looks like a disturbance, at the price of missing some others.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

KERNEL_THREAD = 0x0020_0000
"""PF_KTHREAD of the flags in proc_pid_stat(5): works for whoever asked, so it is nobody's."""
SHOWN = 3
UNCERTAIN_TICKS = 1
"""A counter of whole ticks that went up by one may stand for next to nothing: in a trial of 30 ms
it would be a third of a CPU."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one instant; times in clock ticks."""

    name: str
    parent: int
    own: int
    """Its own time, all its threads'."""
    reaped: int
    """Time of its children that have ended and been waited for."""

    @property
    def total(self) -> int:
        """What its parent is charged when this one ends and is waited for."""
        return self.own + self.reaped


Snapshot = Mapping[int, Process]


@dataclass(frozen=True, slots=True)
class Others:
    """What other processes did between two snapshots."""

    ticks: int
    names: tuple[str, ...]
    """The busiest first."""
    ticks_of: tuple[int, ...] = ()
    """Of each of them."""


def snapshot(known_kernel_threads: set[int], proc: str = "/proc") -> dict[int, Process]:
    """Every process but the kernel's own; about 20 µs each.

    Args:
        known_kernel_threads: remembered between calls and added to, since most of what is in
            /proc of a big host is threads of its kernel.
        proc: where to look.
    """
    found = {}
    # Not Path.iterdir: that makes an object of each of thousands of names, around every trial.
    for entry in os.listdir(proc):  # noqa: PTH208
        if not entry.isdecimal() or int(entry) in known_kernel_threads:
            continue
        stat = _read(f"{proc}/{entry}/stat")
        if stat is None:
            continue
        process = parse(stat)
        if process is None:
            known_kernel_threads.add(int(entry))
        else:
            found[int(entry)] = process
    return found


def parse(stat: bytes) -> Process | None:
    """A line of proc_pid_stat(5); None for a kernel thread or anything odd."""
    # The name may hold anything, parentheses too: fields begin after the last one.
    head, _, tail = stat.rpartition(b")")
    fields = tail.split()
    if len(fields) < 15 or int(fields[6]) & KERNEL_THREAD:
        return None
    name = head.partition(b"(")[2].decode("ascii", "replace")
    user, system, user_reaped, system_reaped = (int(each) for each in fields[11:15])
    return Process(
        name="".join(char if char.isprintable() and char.isascii() else "?" for char in name),
        parent=int(fields[1]),
        own=user + system,
        reaped=user_reaped + system_reaped,
    )


def between(before: Snapshot, after: Snapshot, ours: Collection[int], me: int) -> Others:
    """CPU time of processes that are neither ``ours`` nor descend from them.

    Args:
        before: first look.
        after: second look.
        ours: the harness and the engines' daemons.
        me: the harness.  What its ancestors wait for may be a box that lost its parent.
    """
    mine = set(_descendants(before, ours)) | set(_descendants(after, ours))
    ancestors = set(_ancestors(after, me))
    ended = _ended(before, after)
    spent: dict[str, int] = defaultdict(int)
    for pid, process in after.items():
        if pid in mine:
            continue
        earlier = before.get(pid)
        if earlier is None and process.parent not in before:
            continue  # born since, of an unknown parent: perhaps what a box left for an instant
        if earlier is None and process.parent in ancestors:
            continue  # likewise: a box's orphans become children of init or a subreaper
        own_before, reaped_before = (earlier.own, earlier.reaped) if earlier else (0, 0)
        spent[process.name] += _certain(process.own - own_before)
        if pid not in ancestors:
            # A child that ended brings its parent the time from before this trial, too.
            spent[process.name] += _certain(process.reaped - reaped_before - ended.get(pid, 0))
    busiest = sorted(spent.items(), key=lambda item: (-item[1], item[0]))
    shown = [(name, ticks) for name, ticks in busiest[:SHOWN] if ticks]
    return Others(
        sum(spent.values()),
        tuple(name for name, _ in shown),
        tuple(ticks for _, ticks in shown),
    )


def _certain(ticks: int) -> int:
    return max(0, ticks - UNCERTAIN_TICKS)


def _ended(before: Snapshot, after: Snapshot) -> Mapping[int, int]:
    """Time from before the trial that survivors are charged for descendants that ended in it.

    A process that ended may itself have waited for one that ended: it is the first survivor
    above them that is charged for both.
    """
    charged: dict[int, int] = defaultdict(int)
    for pid, process in before.items():
        if pid in after:
            continue
        heir, steps = process.parent, 0
        while heir in before and heir not in after and steps < len(before):
            heir, steps = before[heir].parent, steps + 1
        charged[heir] += process.total
    return charged


def _descendants(processes: Snapshot, roots: Collection[int]) -> Iterator[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for pid, process in processes.items():
        children[process.parent].append(pid)
    waiting = list(roots)
    seen: set[int] = set()
    while waiting:
        pid = waiting.pop()
        if pid not in seen:
            seen.add(pid)
            yield pid
            waiting += children[pid]


def _ancestors(processes: Snapshot, pid: int) -> Iterator[int]:
    seen: set[int] = set()
    while pid in processes and pid not in seen:
        seen.add(pid)
        pid = processes[pid].parent
        yield pid


def _read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # it has ended
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return None
    finally:
        os.close(descriptor)
