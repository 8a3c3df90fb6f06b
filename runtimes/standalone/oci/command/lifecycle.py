"""kill, delete, pause and resume; and what is left of containers that nobody will delete."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from runtimes.faults import RuntimeFault
from runtimes.linux import cgroups
from runtimes.linux.cgroups import Group
from runtimes.oci.fields import BundleFault
from runtimes.standalone.oci.command import hooks
from runtimes.standalone.oci.command.containers import CONTAINERS, Container, Store
from runtimes.standalone.oci.command.create import undo
from runtimes.standalone.oci.command.state import status
from runtimes.standalone.oci.read import read

_KILL_S = 10.0


def kill(store: Store, name: str, word: str, *, everybody: bool) -> None:
    """Send a signal to a container's process, or to all of them.

    Raises:
        RuntimeFault: no such signal, or it is neither created nor running.
    """
    number = signal_number(word)
    container = store.load(name)
    if everybody:
        _signal_all(group_of(container), number)
        return
    descriptor = container.pidfd()
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        raise container.not_running() from None
    finally:
        os.close(descriptor)


def _signal_all(group: Group, number: int) -> None:
    if number == signal.SIGKILL:
        group.kill(_KILL_S)
        return
    for pid in group.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def signal_number(word: str) -> int:
    """``9``, ``KILL``, ``SIGKILL`` or ``RTMIN+3``.

    Raises:
        RuntimeFault: there is none of that name.
    """
    name = word.upper().removeprefix("SIG")
    if word.isdecimal() and int(word) < signal.NSIG:
        return int(word)
    if match := re.fullmatch(r"(RTMIN\+|RTMAX-)(\d{1,2})", name):
        offset = int(match[2])
        number = signal.SIGRTMIN + offset if match[1] == "RTMIN+" else signal.SIGRTMAX - offset
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
    with contextlib.suppress(KeyError):
        return signal.Signals[f"SIG{name}"]
    raise RuntimeFault(f"unknown signal {word!r}", hint="see signal(7): TERM, SIGTERM or 15")


def delete(store: Store, name: str, warn: Callable[[str], None], *, force: bool) -> None:
    """Remove a stopped container, or with ``force`` any.

    Raises:
        RuntimeFault: there is none, or it has not stopped.
    """
    try:
        container = store.load(name)
    except RuntimeFault:
        if force:
            return
        raise
    now = status(store, container)
    if now != "stopped" and not force:
        raise RuntimeFault(
            f"cannot delete container {name} that is not stopped: {now}", hint="kill it first"
        )
    group = group_of(container)
    with contextlib.suppress(RuntimeFault):
        group.thaw()
    group.kill(_KILL_S)
    try:
        after = read(container.directory).hooks.poststop
    except BundleFault:  # it has not come to have a configuration
        after = ()
    undo(container, cgroups.detect())
    hooks.run_each(after, container.record, "stopped", 0, warn)


def pause(store: Store, name: str) -> None:
    """Stop every process where it is.

    Raises:
        RuntimeFault: it is not running.
    """
    container = store.load(name)
    if (now := status(store, container)) not in ("created", "running"):
        raise RuntimeFault(f"cannot pause container {name}: it is {now}")
    group_of(container).freeze()


def resume(store: Store, name: str) -> None:
    """Let every process go on.

    Raises:
        RuntimeFault: it is not paused.
    """
    container = store.load(name)
    if (now := status(store, container)) != "paused":
        raise RuntimeFault(f"cannot resume container {name}: it is {now}, not paused")
    group_of(container).thaw()


def group_of(container: Container) -> Group:
    """A container's cgroups."""
    return cgroups.detect().group_at(container.record.cgroup)


def clean(state: Path) -> list[str]:
    """For ``invoke clean``: remove ended containers that were made by hand and belong to no run."""
    return sweep(Store(state / CONTAINERS))


def sweep(store: Store) -> list[str]:
    """Remove what crashed or was forgotten; a line for each.  Whatever runs is left alone."""
    told = []
    for name in store.names():
        if store.busy(name):
            continue
        try:
            container = store.load(name)
        except RuntimeFault as fault:
            told.append(f"{store.root / name} left alone: {fault}")
            continue
        if container.alive():
            told.append(f"container {name} is {status(store, container)}: left alone")
            continue
        delete(store, name, told.append, force=True)
        told.append(f"container {name}")
    with contextlib.suppress(OSError):  # something lives in it, or it is not there
        store.root.rmdir()
    return told
