"""Every limit by what it does: here on this host's cgroups, in a guest on pure v2.

Each compares the box with its own limit or with another box, so that a busy host changes nothing.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.directories import places
from harness.host import lock
from runtimes import process
from runtimes.launcher.program import opened
from runtimes.linux import cgroups
from runtimes.linux.cgroups import DeviceRule, IoLimit
from tests.support.limited import Limiter, disk_of, weighing_disk
from tests.support.tiny_rootfs import missing

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

RUN = secrets.token_hex(3)
MIB = 1 << 20
SPIN = "while :; do :; done"
HOLD_24_MIB = "dd if=/dev/zero bs=24M count=1 2>/dev/null | sleep 60"
"""What dd has read stays in its memory, since nobody takes it."""


@pytest.fixture(scope="module")
def limiter(root_needed: None) -> Iterator[Limiter]:  # noqa: ARG001  # order only
    hierarchy = cgroups.detect()
    with (
        lock.alive(RUN),
        opened(places().cache, print) as launcher,
        cgroups.held(hierarchy, RUN),
    ):
        yield Limiter(hierarchy, launcher, RUN)


def is_v2(limiter: Limiter) -> bool:
    return limiter.hierarchy.version == "v2"


def comes(condition: Callable[[], bool], within_s: float = 20) -> bool:
    end = time.monotonic() + within_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_the_first_program_is_inside_from_its_beginning(limiter: Limiter) -> None:
    bounds = cgroups.Bounds((0,))
    with limiter.limited(
        bounds, "cat /proc/self/cgroup; grep allowed_list /proc/self/status"
    ) as one:
        assert one.ended() == 0
        said = one.said()
        assert (one.creation.joins == ()) == is_v2(limiter)
    assert said.count(f"/tarebench/{RUN}/one\n") >= (1 if is_v2(limiter) else 3)
    assert "Cpus_allowed_list:\t0\n" in said


def test_cpu_weights_part_a_busy_cpu_and_tell_who_waited(limiter: Limiter) -> None:
    heavy, light = (cgroups.Bounds((0,), cpu_weight=weight) for weight in (400, 100))
    with (
        limiter.limited(heavy, SPIN, "heavy") as more,
        limiter.limited(light, SPIN, "light") as less,
    ):
        before = [one.group.cpu_ns() or 0 for one in (more, less)]
        time.sleep(2)
        used = [
            (one.group.cpu_ns() or 0) - ns for one, ns in zip((more, less), before, strict=True)
        ]
        stalled = less.group.account().stalled_ns
    assert 2.5 < used[0] / used[1] < 6
    assert (stalled["cpu"] > 0) if is_v2(limiter) else (stalled == {})


def test_a_quota_keeps_to_its_part_and_counts_what_it_held_back(limiter: Limiter) -> None:
    with limiter.limited(cgroups.Bounds((0,), 0.2), SPIN) as one:
        begun, before = time.monotonic_ns(), one.group.cpu_ns() or 0
        time.sleep(1.5)
        used, wall = (one.group.cpu_ns() or 0) - before, time.monotonic_ns() - begun
        account = one.group.account()
    assert used < 0.3 * wall  # a period more than its part at most
    assert (account.throttled_ns or 0) > 0
    assert account.cpu_ns is not None
    assert (account.cpu_user_ns or 0) + (account.cpu_system_ns or 0) > account.cpu_ns / 2


def test_memory_beyond_the_limit_is_a_kill_and_a_count(limiter: Limiter) -> None:
    script = "exec dd if=/dev/zero of=/dev/null bs=64M count=1"
    with limiter.limited(cgroups.Bounds((0,), memory_bytes=16 * MIB), script) as one:
        assert one.ended() == 128 + signal.SIGKILL
        account = one.group.account()
    assert account.oom_kills == 1
    assert 12 * MIB < (account.memory_peak_bytes or 0) <= 16 * MIB


def test_current_memory_is_what_is_held_and_goes_with_it(limiter: Limiter) -> None:
    with limiter.limited(cgroups.Bounds((0,), memory_bytes=64 * MIB), HOLD_24_MIB) as one:
        assert comes(lambda: 24 * MIB < (one.group.memory_bytes() or 0) < 40 * MIB)
        one.group.kill(10)
        assert comes(lambda: (one.group.memory_bytes() or 0) < 12 * MIB)
        assert (one.group.memory_peak_bytes() or 24 * MIB + 1) > 24 * MIB  # v2: from 5.19 on


def test_the_high_mark_reclaims_without_killing(limiter: Limiter, tmp_path: Path) -> None:
    """v1's soft limit acts only when the whole host is short of memory: there it is only set."""
    bounds = cgroups.Bounds((0,), memory_bytes=64 * MIB, memory_high_bytes=8 * MIB)
    script = f"dd if=/dev/zero of={tmp_path}/file bs=64k count=512 2>/dev/null"
    with limiter.limited(bounds, script) as one:
        if not is_v2(limiter):
            marks = [path / "memory.soft_limit_in_bytes" for path in one.creation.directories]
            assert [path.read_text() for path in marks if path.exists()] == [f"{8 * MIB}\n"]
            return
        assert one.ended(120) == 0
        assert (one.group.memory_bytes() or 0) < 16 * MIB
        events = one.creation.directories[0] / "memory.events"
        assert "\nhigh 0\n" not in events.read_text()
        assert one.group.account().oom_kills == 0


def test_pressure_of_memory_rises_above_the_high_mark(limiter: Limiter) -> None:
    if not is_v2(limiter):
        pytest.skip("v1 has no pressure of single cgroups")
    with limiter.limited(cgroups.Bounds((0,), memory_high_bytes=8 * MIB), HOLD_24_MIB) as one:
        assert comes(lambda: one.group.account().stalled_ns["memory"] > 0)


@pytest.mark.skipif(
    len(Path("/proc/swaps").read_text().splitlines()) < 2, reason="this host has no swap"
)
def test_swap_is_given_beside_memory_or_not_at_all(limiter: Limiter) -> None:
    none = cgroups.Bounds((0,), memory_bytes=16 * MIB)
    with limiter.limited(none, "exec dd if=/dev/zero of=/dev/null bs=24M count=1") as one:
        assert one.ended() == 128 + signal.SIGKILL
        assert one.group.account().swap_bytes == 0
    some = cgroups.Bounds((0,), memory_bytes=16 * MIB, swap_bytes=64 * MIB)
    with limiter.limited(some, HOLD_24_MIB) as one:
        assert comes(lambda: (one.group.account().swap_bytes or 0) > 4 * MIB)
        assert one.group.account().oom_kills == 0
    few = cgroups.Bounds((0,), memory_bytes=16 * MIB, swap_bytes=4 * MIB)
    with limiter.limited(few, "exec dd if=/dev/zero of=/dev/null bs=48M count=1") as one:
        assert one.ended() == 128 + signal.SIGKILL


def test_processes_beyond_their_number_are_refused(limiter: Limiter) -> None:
    script = "for n in 1 2 3 4 5 6 7 8; do sleep 60 & done"
    with limiter.limited(cgroups.Bounds((0,), pids_max=5), script) as one:
        assert one.ended() != 0
        assert one.group.account().pids == 4  # those that were made before
        one.group.kill(10)
        assert "can't fork" in one.said()


@pytest.mark.parametrize("slow", [{"write_bytes_per_s": MIB}, {"write_operations_per_s": 8}])
def test_an_io_limit_slows_and_what_was_written_is_counted(
    limiter: Limiter, tmp_path: Path, slow: dict[str, int]
) -> None:
    disk = disk_of(tmp_path)
    if disk is None:
        pytest.skip(f"{tmp_path} is on no disk of its own")
    script = f"dd if=/dev/zero of={tmp_path}/file bs=128k count=16 oflag=direct 2>&1"
    begun = time.monotonic()  # before its first write: a busy host may come back late
    with limiter.limited(cgroups.Bounds((0,), io=(IoLimit(*disk, **slow),)), script) as one:
        assert one.ended() == 0, one.said()
        took_s = time.monotonic() - begun
        account = one.group.account()
    assert took_s > 1.2  # 2 MiB at 1 MiB/s, 16 operations at 8/s: 2 s but for a first burst
    assert (account.io_write_bytes or 0) >= 2 * MIB
    assert not is_v2(limiter) or account.stalled_ns["io"] > 10**8


def test_io_weights_part_a_busy_disk(limiter: Limiter, tmp_path: Path) -> None:
    heavy, light = (cgroups.Bounds((), io_weight=weight) for weight in (1000, 10))
    with contextlib.ExitStack() as undo:
        try:
            disk = undo.enter_context(weighing_disk(tmp_path))
        except (process.CommandFailed, OSError) as error:
            pytest.skip(f"there can be no disk with weights here: {error}")
        write = f"dd if=/dev/zero of={disk} bs=256k count=200 oflag=direct 2>/dev/null"
        # Several, so that each box always has something for the disk to choose from.
        script = f"for n in 1 2 3 4; do while {write}; do :; done & done; wait"
        more = undo.enter_context(limiter.limited(heavy, script, "heavy"))
        less = undo.enter_context(limiter.limited(light, script, "light"))
        before = [one.group.account().io_write_bytes or 0 for one in (more, less)]
        time.sleep(3)
        after = [one.group.account().io_write_bytes or 0 for one in (more, less)]
    wrote = [now - then for now, then in zip(after, before, strict=True)]
    assert wrote[0] > 1.4 * wrote[1] > 0


def test_a_device_that_no_rule_names_is_refused(limiter: Limiter) -> None:
    """v1 has a list, v2 an eBPF program."""
    rules = (DeviceRule("c", 1, 3), DeviceRule("c", 1, 5, "r"))
    script = (
        "for d in null zero full; do head -c1 /dev/$d >/dev/null 2>&1 && echo $d r;"
        " (echo >/dev/$d) 2>/dev/null && echo $d w; done; :"
    )
    with limiter.limited(cgroups.Bounds((0,), devices=rules), script) as one:
        assert one.ended() == 0
        said = one.said()
    assert said.splitlines() == ["null r", "null w", "zero r"]


def test_a_frozen_box_stands_still_goes_on_and_can_be_killed(limiter: Limiter) -> None:
    with limiter.limited(cgroups.Bounds((0,)), f"({SPIN}) & {SPIN}") as one:
        one.group.freeze()
        assert one.group.frozen()
        before = one.group.cpu_ns() or 0
        time.sleep(0.3)
        assert one.group.cpu_ns() == before
        one.group.thaw()
        assert not one.group.frozen()
        assert comes(lambda: (one.group.cpu_ns() or 0) > before + 10**7)
        one.group.freeze()
        one.group.kill(10)
        assert one.group.pids() == ()
        assert one.ended() == 128 + signal.SIGKILL


def test_a_box_that_forks_without_end_is_killed_whole(limiter: Limiter) -> None:
    storm = "while :; do sleep 60 & done 2>/dev/null"
    endless = f"trap '' TERM; while :; do sh -c '{storm}'; done"
    with limiter.limited(cgroups.Bounds((0,), pids_max=100), endless) as one:
        assert comes(lambda: len(one.group.pids()) > 50)
        one.group.kill(20)
        assert one.group.pids() == ()
