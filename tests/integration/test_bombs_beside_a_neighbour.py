"""A box that takes all it can get: its neighbour answers meanwhile, and the host is unharmed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runtimes import process
from runtimes.agent.channel import AgentFault
from runtimes.launcher.instance import LaunchedInstance
from runtimes.resources import PIDS_MAX
from tests.support.escapes import LIMITS, PROGRAM, Arena, outcome

pytestmark = pytest.mark.root
MIB = 1 << 20
ROOMY = replace(LIMITS, memory_bytes=400 * MIB)
BOXES = pytest.mark.parametrize("profile", ["default", "no-userns"])
TIME_S = 120
"""For one bomb on a busy host; no test waits for that long on a quiet one."""


@dataclass(frozen=True)
class Pair:
    """A box with a bomb, and the one beside it."""

    bomb: LaunchedInstance
    neighbour: LaunchedInstance

    def still_answers(self) -> None:
        """The neighbour forks, allocates, opens and writes, and is on the network."""
        agent = self.neighbour.agent
        script = (
            "echo x > /tmp/x && [ $(cat /tmp/x) = x ] && rm /tmp/x && "
            "busybox ping -c 1 -W 20 198.19.0.1 > /dev/null && "
            "{ for i in 1 2 3 4 5 6 7 8; do busybox true & done; wait; } && echo well"
        )
        done = agent.run(["/bin/busybox", "sh", "-c", f"PATH=/bin; {script}"], timeout_s=60)
        assert done.stdout == b"well\n", done.stderr
        memory = agent.run([PROGRAM, "memory", str(16 * MIB)], timeout_s=60)
        assert memory.stdout.split()[0] == b"0"
        files = agent.run([PROGRAM, "descriptor-bomb", "500"], timeout_s=60)
        assert files.stdout.split() == [b"0", b"500"]
        assert self.neighbour.group.oom_kills() == 0

    def explode(self, *argv: str | int) -> str:
        """What the bomb says at its end, the neighbour having been asked meanwhile.

        Empty where the kernel ended it, or the whole box.
        """
        words = [PROGRAM, *map(str, argv)]
        job = self.bomb.agent.spawn(words, timeout_s=TIME_S)
        self.still_answers()
        try:
            done = job.wait(TIME_S)
        except AgentFault:  # the kernel chose the agent
            return ""
        assert not done.timed_out
        return done.stdout.decode()


@dataclass(frozen=True)
class _Ended:
    """Kills a process at the end."""

    process: subprocess.Popen[bytes]

    def close(self) -> None:
        self.process.kill()


@contextlib.contextmanager
def pair(arena: Arena, profile: str, memory_bytes: int) -> Iterator[Pair]:
    limits = replace(LIMITS, memory_bytes=memory_bytes)
    with (
        process.spawn(["sleep", "600"]) as bystander,
        contextlib.closing(_Ended(bystander)),
        arena.box(profile, limits=limits) as bomb,
        arena.box(profile, limits=ROOMY, slot=1) as neighbour,
    ):
        made = Pair(bomb, neighbour)
        yield made
        made.still_answers()
        assert process.run(["true"], timeout_s=60).stdout == b""
        assert bystander.poll() is None


@BOXES
def test_a_fork_bomb_leaves_a_neighbour_its_processes(arena: Arena, profile: str) -> None:
    with pair(arena, profile, 400 * MIB) as two:
        told = outcome(two.explode("forks", PIDS_MAX + 1000))
        assert told.reason == "EAGAIN"
        assert int(told.note) < PIDS_MAX


@BOXES
def test_fork_bombs_from_all_sides_leave_a_neighbour_its_processes(
    arena: Arena, profile: str
) -> None:
    """Bombs that are set off again as fast as they end."""
    with pair(arena, profile, 96 * MIB) as two:
        for _ in range(3):
            if not two.explode("forks", PIDS_MAX + 1000):
                break  # its memory ended it first, with its agent


@BOXES
def test_a_memory_bomb_is_not_paid_for_by_a_neighbour(arena: Arena, profile: str) -> None:
    with pair(arena, profile, 96 * MIB) as two:
        assert two.explode("memory", 1024 * MIB) == ""
        assert two.bomb.group.oom_kills() > 0


@BOXES
def test_a_descriptor_bomb_ends_in_the_boxs_own_limits(arena: Arena, profile: str) -> None:
    """Processes times descriptors, or the memory that both take: never the host's file-max."""
    in_use, _, most = map(int, Path("/proc/sys/fs/file-nr").read_text().split())
    assert most - in_use > 10**6, "this host has few descriptors to begin with"
    with pair(arena, profile, 64 * MIB) as two:
        told = two.explode("descriptor-bomb", 50_000_000)
        if told:
            assert outcome(told).reason in {"EAGAIN", "EMFILE", "ENOMEM"}
        else:
            assert two.bomb.group.oom_kills() > 0
        used, _, _ = map(int, Path("/proc/sys/fs/file-nr").read_text().split())
        assert used < most // 2


@BOXES
@pytest.mark.parametrize("place", ["/dev/shm", "/dev"])
def test_a_disk_bomb_in_memory_is_bounded(arena: Arena, profile: str, place: str) -> None:
    with pair(arena, profile, 200 * MIB) as two:
        told = outcome(two.explode("fill", f"{place}/bomb", 1024 * MIB))
        assert told.reason == "ENOSPC"


@BOXES
def test_a_disk_bomb_is_the_hosts_disk_until_the_layer_has_a_limit(
    arena: Arena, profile: str
) -> None:
    """Bounded here by the bomb itself: what it wrote is gone with the box."""
    where = arena.site.state
    before = shutil.disk_usage(where).free
    with pair(arena, profile, 96 * MIB) as two:
        told = outcome(two.explode("fill", "/tmp/bomb", 256 * MIB))
        assert told.reason in {"", "ENOSPC", "EDQUOT"}
        told = outcome(two.explode("files", "/tmp", 5000))
        assert told.reason in {"", "ENOSPC", "EDQUOT"}
    assert before - shutil.disk_usage(where).free < 128 * MIB
