"""Removing what a killed run left: its QEMU processes, cgroups and files."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from runtimes.conventions import PREFIX
from runtimes.docker import sweep
from runtimes.faults import RuntimeFault
from runtimes.kvm.nested import dockerhost
from runtimes.linux import cgroups, proc, trees


def clean(state: Path, run: str) -> list[str]:
    """See runtimes.base.Runtime.clean.

    Taps vanish with their QEMU; a daemon's domains vanish with it as well, being transient.
    """
    removed = end_guests(run)
    with contextlib.suppress(RuntimeFault):  # no cgroups at all: nothing of ours in them
        removed += cgroups.detect().remove_all(run)
    removed += sweep.private_daemon(dockerhost.importer(run), run_goes_on=True)
    if state.exists():
        trees.remove(state, ignore_errors=True)
        removed.append(f"files below {state}")
    return removed


def end_guests(run: str) -> list[str]:
    """End every QEMU of this run that still lives; one line for each."""

    def ours(argv: proc.Arguments) -> bool:
        return guest_name(argv).startswith(f"{PREFIX}-{run}-")

    found = guests(run)
    return [
        f"guest {name} (process {pid})"
        for pid, name in found
        if proc.end(pid, ours, patience_s=0.0)
    ]


def guests(run: str, root: Path = proc.PROC) -> list[tuple[int, str]]:
    """QEMU processes whose guest carries this run's name: ``-name guest=tb-<run>-…``."""
    named = [(pid, guest_name(proc.arguments(pid, root))) for pid in proc.pids(root)]
    return sorted((pid, name) for pid, name in named if name.startswith(f"{PREFIX}-{run}-"))


def guest_name(argv: Sequence[str]) -> str:
    """Name of the guest that this command line runs; empty if it is no QEMU."""
    if not argv or "qemu" not in argv[0].rsplit("/", 1)[-1] or "-name" not in argv[:-1]:
        return ""
    value = argv[argv.index("-name") + 1]
    return value.removeprefix("guest=").split(",", 1)[0]
