"""The host around a trial, for real: a stranger that works is seen, and by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from harness.clock import HostClock
from harness.host.pressure import HostWatch, discover
from harness.host.pressure.others import between, snapshot
from runtimes import process

NAME = "tb-stranger"
HOG = f"""
import os, time
open("/proc/self/comm", "w").write("{NAME}")
print(os.getpid(), flush=True)
os.close(1)
os.close(2)
end = time.monotonic() + 10
while time.monotonic() < end: pass
"""


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that works and that is nobody's child but init's."""
    orphaning = '"$0" -c "$1" & exec true'
    told = process.run(["/bin/sh", "-c", orphaning, sys.executable, HOG], timeout_s=30)
    pid = int(told.stdout)
    yield pid
    os.kill(pid, signal.SIGKILL)


def test_a_stranger_that_works_is_seen_and_named(stranger: int) -> None:
    ended = HostWatch(HostClock(), discover([0]), ours=frozenset, own_cgroup="")()
    before = snapshot(set())
    time.sleep(0.5)
    after = snapshot(set())
    around = ended()
    me = os.getpid()
    assert (around.other_cpus or 0) > 0
    assert NAME in around.others or len(around.others) == 3  # others may be busier still
    with_it, without = (between(before, after, {me, *more}, me) for more in ((), (stranger,)))
    assert with_it.ticks > without.ticks


def test_what_descends_from_us_is_not_seen() -> None:
    hog = process.spawn([sys.executable, "-c", HOG])
    try:
        time.sleep(0.2)
        before, me = snapshot(set()), os.getpid()
        time.sleep(0.4)
        after = snapshot(set())
    finally:
        hog.kill()
        hog.wait()
    assert after[hog.pid].own > before[hog.pid].own
    assert NAME not in between(before, after, {me}, me).names
