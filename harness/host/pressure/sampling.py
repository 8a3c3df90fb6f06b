"""Readings of the machine's pace while a trial is at work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.host.pressure.pace import FEW_TRIES, timed

INTERVAL_S = 0.25
"""With a reading of a third of a millisecond: an eighth of a percent of a CPU of the harness's."""
KEPT = 32
"""Readings of one trial: a longer one is read as often, but less densely."""

Reading = tuple[int, int]
"""Instant, and how long the work took; ns."""


def quickly() -> int:
    """The pace, with few tries."""
    return timed(tries=FEW_TRIES)


@dataclass(slots=True)
class Sampler:
    """A thread that reads the pace now and then; sleeps otherwise."""

    now_ns: Callable[[], int]
    measure: Callable[[], int] = quickly
    interval_s: float = INTERVAL_S
    _readings: list[Reading] = field(default_factory=list, init=False)
    _over: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="tb-pace", daemon=True)
        self._thread.start()

    def stop(self) -> tuple[Reading, ...]:
        """End; the readings, in order."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        return tuple(self._readings)

    def _run(self) -> None:
        while not self._over.wait(self.interval_s):
            self._readings.append((self.now_ns(), self.measure()))
            if len(self._readings) > KEPT:
                self._readings = self._readings[1::2]
                self.interval_s *= 2
