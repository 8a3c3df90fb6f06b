"""Removing what a killed run left: its QEMU processes, cgroups and files."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
from pathlib import Path

from runtimes import cgroups
from runtimes.base import PREFIX, RuntimeFault

PATIENCE_S = 10.0


def clean(state: Path, run: str) -> list[str]:
    """See runtimes.base.Runtime.clean.

    Taps vanish with their QEMU; a daemon's domains vanish with it as well, being transient.
    """
    removed = []
    for pid, name in guests(run):
        if _kill(pid):
            removed.append(f"guest {name} (process {pid})")
    with contextlib.suppress(RuntimeFault):  # no cgroups at all: nothing of ours in them
        removed += cgroups.detect().remove_all(run)
    if state.exists():
        shutil.rmtree(state, ignore_errors=True)
        removed.append(f"files below {state}")
    return removed


def guests(run: str, proc: Path = Path("/proc")) -> list[tuple[int, str]]:
    """QEMU processes whose guest carries this run's name: ``-name guest=tb-<run>-…``."""
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            name = guest_name(words)
            if name.startswith(f"{PREFIX}-{run}-"):
                found.append((int(entry.name), name))
    return sorted(found)


def guest_name(argv: list[str]) -> str:
    """Name of the guest that this command line runs; empty if it is no QEMU."""
    if not argv or "qemu" not in argv[0].rsplit("/", 1)[-1] or "-name" not in argv[:-1]:
        return ""
    value = argv[argv.index("-name") + 1]
    return value.removeprefix("guest=").split(",", 1)[0]


def _kill(pid: int) -> bool:
    """Kill and wait for the end, told by the pidfd; whether there was something to kill."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(PATIENCE_S * 1000))
    finally:
        os.close(pidfd)
