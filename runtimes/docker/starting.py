"""Start a container and notice at once when its first byte is there.

The Engine API's answer to *start* comes after the container's main process has begun to run.
So the call is made in a thread of its own, and whoever waits is told by poll(2) of whichever
comes first: the first byte on the attach stream, or the answer.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable

from runtimes.docker.attach import AttachStream
from runtimes.faults import RuntimeFault

TIMEOUT_S = 70.0  # the call itself gives up after 60


class Starting:
    """A *start* call under way."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._error: Exception | None = None
        self._told = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._body, name="docker start", daemon=True)
        self._thread.start()

    def first_sign(self, stream: AttachStream) -> None:
        """Return at the first byte or the answer, whichever comes first.

        Raises:
            RuntimeFault: the daemon refuses, dies or says nothing at all.
        """
        poll = select.poll()
        poll.register(stream, select.POLLIN)
        poll.register(self._told, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(TIMEOUT_S * 1000)}
        if ready == {stream.fileno()} and not stream.at_end():
            return
        self.join()

    def join(self) -> None:
        """Wait for the answer.

        Raises:
            RuntimeFault: it is an error, or there is none in time.
        """
        self._thread.join(TIMEOUT_S)
        if self._thread.is_alive():
            raise RuntimeFault(f"start a container: no answer from Docker in {TIMEOUT_S:g} s")
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait for the thread and give its descriptor back; errors were reported before."""
        with contextlib.suppress(Exception):
            self.join()
        if not self._thread.is_alive() and self._told >= 0:
            os.close(self._told)
            self._told = -1

    def _body(self) -> None:
        try:
            self._call()
        except Exception as error:  # noqa: BLE001  # handed to the thread that joins
            self._error = error
        finally:
            os.eventfd_write(self._told, 1)
