"""What a guest says on its console, and when: above all, that its user space begins.

The console is a file that QEMU writes; inotify tells of each write, so the instant is the host's.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from runtimes.kvm import watching
from runtimes.kvm.marks import Marks

USER_SPACE = b"tarebench-init: user space"
"""Said by init.c, and by the full VM's initramfs."""

ONLY_USER_SPACE: Mapping[bytes, str] = MappingProxyType({USER_SPACE: "user_space"})

READ_LIMIT_BYTES = 1 << 20
"""A guest that babbles is not listened to any longer than this."""


class ConsoleWatch:
    """Marks ``console`` at the guest's first byte, and each of its words when it is said."""

    def __init__(
        self, path: Path, marks: Marks, words: Mapping[bytes, str] = ONLY_USER_SPACE
    ) -> None:
        """Make the file and watch it until all words are there or ``close``.

        Args:
            path: the console's file.
            marks: gets the instants.
            words: what is said, and the mark that it makes.

        Raises:
            RuntimeFault: it cannot be watched.
        """
        path.touch()
        self._path, self._marks, self._words = path, marks, words
        self.complete = threading.Event()
        """All that was to be said has been said."""
        self._watch = watching.watch(path)
        self._enough = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._look, name=f"{path.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching.  Idempotent."""
        if self._enough >= 0:
            os.eventfd_write(self._enough, 1)
            self._thread.join()
            os.close(self._watch)
            os.close(self._enough)
            self._enough = -1

    def _look(self) -> None:
        poll = select.poll()
        poll.register(self._watch, select.POLLIN)
        poll.register(self._enough, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            now_ns = time.monotonic_ns()
            if self._enough in ready:
                return
            os.read(self._watch, watching.EVENTS_BYTES)
            said = self._said()
            if said:
                self._marks.set("console", now_ns)
            heard = [mark for word, mark in self._words.items() if word in said]
            for mark in heard:
                self._marks.set(mark, now_ns)
            if len(heard) == len(self._words):
                self.complete.set()
            if self.complete.is_set() or len(said) == READ_LIMIT_BYTES:
                return

    def _said(self) -> bytes:
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            return file.read(READ_LIMIT_BYTES)
        return b""
