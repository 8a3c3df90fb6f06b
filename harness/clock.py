"""The one source of instants: the host's monotonic clock, in integer nanoseconds."""

from __future__ import annotations

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Where instants come from; tests inject their own."""

    def now_ns(self) -> int:
        """Instant on a monotonic clock, ns."""
        ...

    def utc(self) -> dt.datetime:
        """Wall-clock time, for names and records only; never subtracted."""
        ...

    def sleep(self, seconds: float) -> None:
        """Rest."""
        ...


class HostClock:
    """The real one."""

    def now_ns(self) -> int:
        """``CLOCK_MONOTONIC``, ns: not stepped by NTP, not counted while suspended."""
        return time.monotonic_ns()

    def utc(self) -> dt.datetime:
        """Current UTC time."""
        return dt.datetime.now(tz=dt.UTC)

    def sleep(self, seconds: float) -> None:
        """Rest."""
        time.sleep(seconds)


def stamp(moment: dt.datetime) -> str:
    """``2026-11-24T03:51:04Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
