"""The instant in which a guest's user space begins: its first process says so on the console.

The console is a file that QEMU writes; inotify tells of each write, so the instant is the host's.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from pathlib import Path

from runtimes.kvm import watching
from runtimes.kvm.marks import Marks

USER_SPACE = b"tarebench-init: user space"
"""Said by init.c, and by the full VM's initramfs."""

READ_LIMIT_BYTES = 1 << 20
"""A guest that babbles is not listened to any longer than this."""


class ConsoleWatch:
    """Marks ``console`` at the guest's first byte and ``user_space`` at its first process."""

    def __init__(self, path: Path, marks: Marks) -> None:
        """Make the file and watch it until the word is there or ``close``.

        Raises:
            RuntimeFault: it cannot be watched.
        """
        path.touch()
        self._path, self._marks = path, marks
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
            if USER_SPACE in said:
                self._marks.set("user_space", now_ns)
            if USER_SPACE in said or len(said) == READ_LIMIT_BYTES:
                return

    def _said(self) -> bytes:
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            return file.read(READ_LIMIT_BYTES)
        return b""
