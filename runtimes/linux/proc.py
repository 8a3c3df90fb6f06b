"""Processes of the host, by /proc and pidfd: found by their arguments, ended by event."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

PROC = Path("/proc")

Arguments = tuple[str, ...]


def pids(proc: Path = PROC) -> Iterator[int]:
    """Every process id there is."""
    for entry in proc.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def arguments(pid: int, proc: Path = PROC) -> Arguments:
    """The argv of a process; empty for a kernel thread, a zombie or one that is gone."""
    try:
        raw = (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(part.decode("utf-8", "replace") for part in raw.rstrip(b"\0").split(b"\0") if raw)


def matching(predicate: Callable[[Arguments], bool], proc: Path = PROC) -> tuple[int, ...]:
    """Processes whose non-empty argv satisfies ``predicate``, ascending."""
    found = []
    for pid in pids(proc):
        argv = arguments(pid, proc)
        if argv and predicate(argv):
            found.append(pid)
    return tuple(sorted(found))


def program(argv: Arguments) -> str:
    """Name of the program, without its directory."""
    return Path(argv[0]).name if argv else ""


def option(argv: Arguments, name: str) -> str:
    """Value of a ``-name value`` or ``--name=value`` pair; empty where there is none."""
    for index, word in enumerate(argv):
        if word == name and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith(name + "="):
            return word[len(name) + 1 :]
    return ""


def parent(pid: int, proc: Path = PROC) -> int:
    """Parent of a process; 0 when it is gone."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name, in parentheses, may hold anything (proc_pid_stat(5)).
        return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return 0


def children(pid: int, proc: Path = PROC) -> tuple[int, ...]:
    """Children of a process, ascending; none when it is gone.

    The kernel lists them by thread where it was built so (proc_pid_task_tid_children(5)); else
    every process is asked for its parent.
    """
    found: set[int] = set()
    try:
        for thread in (proc / str(pid) / "task").iterdir():
            found.update(int(word) for word in (thread / "children").read_text().split())
    except OSError:
        found = {child for child in pids(proc) if parent(child, proc) == pid}
    return tuple(sorted(found))


def open_pid(pid: int) -> int | None:
    """A pidfd; ``None`` when the process is gone.  The caller closes it."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def readable(descriptor: int, timeout_s: float, events: int = select.POLLIN) -> bool:
    """Whether ``descriptor`` becomes ready within ``timeout_s``."""
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))


def ended(pidfd: int, timeout_s: float) -> bool:
    """Wait until the process has ended; ``False`` when it still runs after ``timeout_s``."""
    return readable(pidfd, timeout_s)


def send(pidfd: int, number: int) -> None:
    """Send a signal; nothing happens when the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)


def end(pid: int, belongs: Callable[[Arguments], bool], *, patience_s: float) -> bool:
    """End a process: SIGTERM, then SIGKILL after ``patience_s``.

    ``belongs`` is asked once the pidfd is held, so that a reused pid is never hit; it is asked
    about an empty argv where the process has ended meanwhile.

    Returns:
        Whether there was such a process.
    """
    pidfd = open_pid(pid)
    if pidfd is None:
        return False
    try:
        if not belongs(arguments(pid)):
            return False
        if patience_s > 0:
            send(pidfd, signal.SIGTERM)
        if not ended(pidfd, patience_s):
            send(pidfd, signal.SIGKILL)
            ended(pidfd, 10.0)
        return True
    finally:
        os.close(pidfd)
