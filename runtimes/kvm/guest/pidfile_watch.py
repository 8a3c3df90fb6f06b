"""Know QEMU's process from its first moment: the pid file that libvirt writes, told by inotify.

libvirt names the process only once its start has succeeded.  That is too late: a QEMU that ends
at once must be reaped at once (see hypervisor), or libvirt spends a minute killing a zombie.  It
is also the instant from which there is a QEMU, one of the phases of a start.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.kvm.guest import inotify
from runtimes.kvm.guest.hypervisor import Hypervisor
from runtimes.kvm.guest.timeline import Timeline


@dataclass(slots=True)
class PidfileWatch:
    """What has been seen so far."""

    hypervisor: Hypervisor | None = None


@contextlib.contextmanager
def awaited(directory: Path, name: str, timeline: Timeline) -> Iterator[PidfileWatch]:
    """Look out for ``directory``/``name``.pid until the context ends.

    Args:
        directory: where libvirt keeps pid files; it exists.
        name: the domain's.
        timeline: gets ``process`` and later ``qemu_gone``.

    Raises:
        RuntimeFault: the directory cannot be watched.
    """
    watched = PidfileWatch()
    watch = inotify.watch(directory)
    stop = os.eventfd(0, os.EFD_CLOEXEC)
    path = directory / f"{name}.pid"
    thread = threading.Thread(
        target=_look, args=(watch, stop, path, watched, timeline), daemon=True
    )
    thread.start()
    try:
        yield watched
    finally:
        os.eventfd_write(stop, 1)
        thread.join()
        os.close(stop)


def _look(watch: int, stop: int, path: Path, watched: PidfileWatch, timeline: Timeline) -> None:
    try:
        _await(watch, stop, path, watched, timeline)
    finally:
        os.close(watch)  # takes the kernel some milliseconds: here nobody waits for it


def _await(watch: int, stop: int, path: Path, watched: PidfileWatch, timeline: Timeline) -> None:
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    poll.register(stop, select.POLLIN)
    while watched.hypervisor is None:
        ready = {descriptor for descriptor, _ in poll.poll()}
        now_ns = time.monotonic_ns()
        if watch in ready:
            os.read(watch, inotify.EVENTS_BYTES)  # of whichever file; ours is looked at
        pid = _pid_in(path)
        if pid is not None:
            timeline.set("process", now_ns)
            with contextlib.suppress(RuntimeFault):  # gone already, and reaped by another
                watched.hypervisor = Hypervisor(pid, lambda at_ns: timeline.set("qemu_gone", at_ns))
            return
        if stop in ready:
            return


def _pid_in(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
