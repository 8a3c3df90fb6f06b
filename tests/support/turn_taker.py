"""Somebody else on the box's core: a process of another cgroup, seconds on and seconds off."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import process
from runtimes.linux.cgroups import MOUNTINFO, mounts

SHARE = 0.25
"""Of the box's weight: while it is on, the box has four fifths of the core."""
V1_SHARES, V2_WEIGHT = 1024, 100
"""What the cgroup of all boxes has by default, beside which this one stands."""
BUSY = """
import os, random, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
chance = random.Random(46)
print("on", flush=True)
while True:
    until = time.monotonic() + chance.uniform(1.0, 3.0)
    while time.monotonic() < until:
        pass
    time.sleep(chance.uniform(1.0, 3.0))
"""


@contextlib.contextmanager
def taking_turns(name: str, cpu: int) -> Iterator[None]:
    """Keep ``cpu`` busy now and then, from a cgroup ``name``; skips where none can be made."""
    with _cgroup(name) as directory:
        argv = [sys.executable, "-c", BUSY, str(cpu)]
        child = process.spawn(argv)
        try:
            (directory / "cgroup.procs").write_text(str(child.pid))
            yield
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(10)


@contextlib.contextmanager
def _cgroup(name: str) -> Iterator[Path]:
    found = mounts.parse(MOUNTINFO.read_text())
    root = found.v1.get("cpu") or found.v2
    if root is None:
        pytest.skip("no cgroups with a CPU controller are mounted")
    directory = root / name
    try:
        directory.mkdir()
        if "cpu" in found.v1:
            (directory / "cpu.shares").write_text(str(round(SHARE * V1_SHARES)))
        else:
            (directory / "cpu.weight").write_text(str(round(SHARE * V2_WEIGHT)))
    except OSError as error:
        with contextlib.suppress(OSError):
            directory.rmdir()
        pytest.skip(f"no cgroup can be made beside the boxes': {error}")
    try:
        yield directory
    finally:
        directory.rmdir()
