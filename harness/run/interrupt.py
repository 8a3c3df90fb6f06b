"""Ctrl-C, SIGTERM and SIGHUP end a run in order: once, and what cleans up is not interrupted."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """The user, or the system, wants the run to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextlib.contextmanager
def orderly(told: Callable[[str], None]) -> Iterator[None]:
    """Turn the first signal into ``Interrupted`` in the main thread; say later ones were heard.

    A second Ctrl-C in the middle of removing a container would leave it behind, so it is not
    obeyed: whoever wants out at once has SIGKILL, and ``invoke clean`` afterwards.
    """
    heard: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        if len(heard) == 1:
            told("ending: removing what this run made …")
            raise Interrupted(number)
        told("still removing; SIGKILL ends at once, then “invoke clean” removes the rest")

    before = {each: signal.signal(each, on_signal) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
