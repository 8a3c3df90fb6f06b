"""What a guest says on its console, and when: above all, that its user space begins.

The console is a file that QEMU writes; inotify tells of each write, so the instant is the host's.
It is on the host's disk, and the guest decides how much is written: so it is kept small.
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

from runtimes.faults import RuntimeFault
from runtimes.kvm.guest import inotify
from runtimes.kvm.guest.files import allocated_bytes
from runtimes.kvm.guest.timeline import Timeline

USER_SPACE = b"tarebench-init: user space"
"""Said by init.c, and by the full VM's initramfs."""

ONLY_USER_SPACE: Mapping[bytes, str] = MappingProxyType({USER_SPACE: "user_space"})

READ_LIMIT_BYTES = 1 << 20
"""A guest that babbles is not listened to any longer than this."""

KEPT_BYTES = 8 << 20
"""And it has no more of the host's disk than this, and what it can write in PAUSE_S."""

PAUSE_S = 1.0
"""How long nobody looks at a console after it was looked at, once nothing more is awaited of it."""


class ConsoleWatch:
    """Marks ``console`` at the guest's first byte, and each of its words when it is said."""

    def __init__(
        self, path: Path, marks: Timeline, words: Mapping[bytes, str] = ONLY_USER_SPACE
    ) -> None:
        """Make the file and watch it until ``close``.

        Args:
            path: the console's file.
            marks: gets the instants.
            words: what is said, and the mark that it makes.

        Raises:
            RuntimeFault: it cannot be made or watched.
        """
        try:
            path.touch()
        except OSError as error:
            raise RuntimeFault(
                f"cannot make the guest's console {path}: {error.strerror}",
                hint="free space where TAREBENCH_STATE is, or set it elsewhere",
            ) from None
        self._path, self._marks, self._awaited = path, marks, dict(words)
        self._overlap = max(map(len, words)) - 1
        self._read_bytes, self._said = 0, b""
        self.complete = threading.Event()
        """All that was to be said has been said."""
        self._watch = inotify.watch(path)
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
        poll, end = select.poll(), select.poll()
        poll.register(self._watch, select.POLLIN)
        for each in (poll, end):
            each.register(self._enough, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            now_ns = time.monotonic_ns()
            if self._enough in ready:
                return
            os.read(self._watch, inotify.EVENTS_BYTES)
            if self._awaited and self._read_bytes < READ_LIMIT_BYTES:
                self._hear(now_ns)
            elif end.poll(PAUSE_S * 1000):
                return
            self._keep_small()

    def _hear(self, now_ns: int) -> None:
        """What has been said since; words may be said in pieces."""
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            file.seek(self._read_bytes)
            piece = file.read(READ_LIMIT_BYTES - self._read_bytes)
            self._read_bytes += len(piece)
            self._said = self._said[-self._overlap :] + piece
        if self._read_bytes:
            self._marks.set("console", now_ns)
        for word in [word for word in self._awaited if word in self._said]:
            self._marks.set(self._awaited.pop(word), now_ns)
        if not self._awaited:
            self.complete.set()

    def _keep_small(self) -> None:
        """Begin again.  QEMU goes on where it was, and what lies before takes no space."""
        with contextlib.suppress(OSError):
            if allocated_bytes(self._path) > KEPT_BYTES:
                os.truncate(self._path, 0)
