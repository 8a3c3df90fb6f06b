"""Which runs go on: each holds its short id, and one more name while it measures.

Two that measure at once would disturb each other.  Whose word counts is said in
runtimes/held_names.py: root's and our own.  Another user's run blocks nobody.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from harness.errors import BusyFault
from runtimes.held_names import claim, is_alive, owner

__all__ = ["MEASURING", "alive", "is_alive", "measuring"]

MEASURING = "measuring"


@contextlib.contextmanager
def alive(run: str) -> Iterator[None]:
    """Be known as the living owner of ``run``.

    Raises:
        BusyFault: another process is.
    """
    holder = claim(run)
    if holder is None:
        raise BusyFault(f"run {run} is going on in another process")
    with holder:
        yield


@contextlib.contextmanager
def measuring(*, wait: bool, told: Callable[[str], None]) -> Iterator[None]:
    """Be the only run that measures on this host.

    Args:
        wait: wait for another one to end (the kernel wakes us, nothing is polled).
        told: called with a sentence when there is something to wait for.

    Raises:
        BusyFault: another one measures, and ``wait`` is false.
    """
    holder = claim(MEASURING)
    if holder is None:
        process = owner(MEASURING)
        who = f" (process {process})" if process else ""
        if not wait:
            raise BusyFault(
                f"another run is measuring on this host{who}",
                hint="two at once would disturb each other; wait for it, or add --wait",
            )
        told(f"waiting for the run that is measuring on this host{who}")
        holder = claim(MEASURING, wait=True)
    assert holder is not None  # noqa: S101  # it was waited for
    with holder:
        yield
