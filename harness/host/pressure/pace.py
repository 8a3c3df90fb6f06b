"""How fast this machine is just now: a fixed piece of work, timed.

Where neither cpufreq nor a throttling counter is visible, as in most virtual machines, this shows
a clock that drifts and cycles that are taken away without being counted as stolen.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

WORK = bytes(128 << 10)
"""SHA-256 of it takes 0.07 ms with the processor's own instructions and 0.7 ms without; it fits
the second-level cache, so the clock decides and memory does not."""
TRIES = 7
"""The fastest of these counts: an interrupt or another task makes some slower, never faster."""
FEW_TRIES = 3
"""While a box works: a third of a millisecond every quarter of a second."""
SETTLED = 1.03
"""Times that differ by no more are the same: as far as the fastest of the tries varies here."""
PATIENCE = 4
"""A CPU that idled while a box worked needs some milliseconds to come to its clock again: while it
grows faster the work is done again, as often as this."""


def spin() -> None:
    """The work."""
    hashlib.sha256(WORK).digest()


def timed(
    work: Callable[[], None] = spin,
    now_ns: Callable[[], int] = time.perf_counter_ns,
    tries: int = TRIES,
) -> int:
    """Nanoseconds that the work takes undisturbed."""
    spans = []
    for _ in range(tries):
        begun_ns = now_ns()
        work()
        spans.append(now_ns() - begun_ns)
    return min(spans)


def settled(measure: Callable[[], int] = timed) -> int:
    """Nanoseconds that the work takes once the clock has come up.

    Held against nothing but the reading just before: a clock with two speeds is no slow start.
    """
    taken_ns = measure()
    for _ in range(PATIENCE):
        before_ns, taken_ns = taken_ns, measure()
        if before_ns <= SETTLED * taken_ns:
            break
    return taken_ns
