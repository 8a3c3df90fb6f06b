"""What the fake runtime does: plain data, so that a test says in one place what will happen."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from runtimes.base import Capability
from runtimes.resources import InstanceStats, LimitsRead

Step = Literal[
    "prepare",
    "start",
    "hello",
    "facts",
    "digest",
    "run",
    "ask",
    "limits",
    "stats",
    "stop",
    "remove",
]

DEMO_ARGV = ("demo",)
"""A command that only the fake box knows; it writes one number, about 1000."""


class Clock(Protocol):
    """What the fake box needs of a clock."""

    def now_ns(self) -> int:
        """Instant, ns."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class HostClock:
    """The host's monotonic clock."""

    def now_ns(self) -> int:
        """See Clock."""
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        time.sleep(seconds)


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, start_ns: int = 1_000_000_000) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """See Clock."""
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        """See Clock; returns at once."""
        self._now_ns += max(0, round(seconds * 1e9))

    def utc(self) -> dt.datetime:
        """Some day, as far into it as this clock has gone."""
        start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        return start + dt.timedelta(microseconds=self._now_ns // 1000)


@dataclass(frozen=True, slots=True)
class Line:
    """What a resident program answers to one request."""

    text: bytes
    wall_ns: int | None = 50_000_000
    """From the request to the answer; ``None``: it never answers."""
    status: int | None = None
    """It ends with this status instead of answering."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How one command in the box goes."""

    stdout: bytes = b""
    stderr: bytes = b""
    status: int = 0
    wall_ns: int | None = 1_000_000
    """Also what the clock advances by; ``None``: until it is killed or out of time."""
    answers: tuple[Line, ...] = ()
    """What it answers to requests in turn, from the start again after the last."""
    end_status: int = 0
    """How it ends at the end of its input."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An error at a step.  Any exception will do, KeyboardInterrupt as well."""

    step: Step
    error: BaseException
    instance: str = "*"
    """Pattern (fnmatch) for the instance's name, e.g. ``*-3`` for the fourth one of a run."""
    call: int = 0
    """Which call of this step in that instance, counted from 1; 0 for every one."""


IDLE = InstanceStats(
    pids=(),
    cgroup_memory_bytes=10 << 20,
    cgroup_memory_peak_bytes=12 << 20,
    cgroup_cpu_ns=5_000_000,
    disk_bytes=4096,
)


@dataclass(frozen=True, slots=True)
class FakeScript:
    """Everything the fake runtime does.  Without arguments: a box in which all goes well."""

    available: bool = True
    reason: str = "it starts nothing"
    """Why it is available or not."""
    profiles: Mapping[str, str] = field(
        default_factory=lambda: {"default": "no box at all", "aa": "the same once more"}
    )
    capabilities: frozenset[Capability] = frozenset(Capability) - {Capability.NETWORK}
    conditions: frozenset[str] = frozenset({"simulated"})
    """Gate codes of every instance."""
    replies: Mapping[tuple[str, ...], tuple[Reply, ...]] = field(default_factory=dict)
    """First words of a command → what its calls yield in turn, over all instances, from the
    start again after the last.  The longest match counts, these go before ``fake_tools``, and
    an unknown program cannot be run."""
    faults: tuple[Fault, ...] = ()
    start_delay_ns: int = 1_000_000
    """From the request to the return of ``start``."""
    first_byte_delay_ns: int = 100_000
    """From then on to the agent's first byte."""
    stop_delay_ns: int = 200_000
    remove_delay_ns: int = 50_000
    limits: LimitsRead | None = None
    """As read back, outside and inside; ``None``: as asked for."""
    rootfs_digest: str | None = None
    """``None``: the digest of the site's root filesystem."""
    program_digest: str | None = None
    """sha256 of every program; ``None``: that of the site's root filesystem."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Added to the facts; they win."""
    stats: InstanceStats = IDLE
