"""Escapes to other processes, other networks, and beyond one's share of the machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from runtimes import process
from runtimes.agent.channel import AgentFault
from runtimes.launcher.instance import LaunchedInstance
from runtimes.linux import cgroups, netns
from runtimes.linux.cgroups import Bounds
from runtimes.ns.engine import prepared
from runtimes.resources import PIDS_MAX
from tests.support.escapes import LIMITS, SET_UID_PROGRAM, Arena, attack

pytestmark = pytest.mark.root
BOXES = ("default", "no-userns")
TEXT = 0x400000
"""Where a static program begins: readable in every one."""


@pytest.fixture
def victim(arena: Arena) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the host, root's, whose number no box has."""
    del arena  # skips where there are no boxes
    with process.spawn(["sleep", "100"]) as child:
        yield child
        child.kill()


OF_OTHERS = [("kill", "0"), ("kill", "9"), ("trace",), ("read-memory", str(TEXT)), ("open-pid",),
             ("steal-descriptor", "0")]  # fmt: skip


@pytest.mark.parametrize("profile", [*BOXES, "wide-open"])
@pytest.mark.parametrize("call", OF_OTHERS, ids=" ".join)
def test_processes_of_the_host_do_not_exist_in_a_box(
    arena: Arena, victim: subprocess.Popen[bytes], profile: str, call: tuple[str, ...]
) -> None:
    name, *rest = call
    assert arena.in_box(profile, name, victim.pid, *rest).reason == "ESRCH"
    assert victim.poll() is None


@pytest.mark.parametrize("call", OF_OTHERS, ids=" ".join)
def test_the_same_reaches_them_on_the_host(
    arena: Arena, victim: subprocess.Popen[bytes], call: tuple[str, ...]
) -> None:
    name, *rest = call
    told = arena.on_host(name, victim.pid, *rest)
    assert told.reason in ({"", "EFAULT"} if name == "read-memory" else {""})


@pytest.mark.parametrize("profile", BOXES)
def test_the_boxs_init_is_not_touched_by_its_processes(arena: Arena, profile: str) -> None:
    with arena.box(profile) as instance:
        agent = instance.agent
        assert attack(agent, "own-child").reason == ""  # on one's own all of it is allowed
        assert attack(agent, "trace", 1).reason == "EPERM"
        assert attack(agent, "read-memory", 1, TEXT).reason == "EPERM"
        assert attack(agent, "kill", 1, signal.SIGKILL).reason == ""  # and the kernel drops it
        assert attack(agent, "steal-descriptor", 1, 0).reason == "EPERM"
        assert agent.run(["/bin/busybox", "true"], timeout_s=10).status == 0
    assert arena.in_box("wide-open", "trace", 1).reason == ""
    assert arena.in_box("only-capabilities", "steal-descriptor", 1, 0).reason == "EPERM"


@pytest.mark.parametrize("profile", BOXES)
def test_killing_everybody_ends_the_box_and_nothing_else(
    arena: Arena, victim: subprocess.Popen[bytes], profile: str
) -> None:
    with arena.box(profile) as instance:
        with contextlib.suppress(AgentFault):  # it may kill the agent before that has told of it
            instance.agent.spawn(["/bin/attack", "kill", "-1", "9"], timeout_s=10)
        assert instance.wait(10) == 128 + signal.SIGKILL
    assert victim.poll() is None


@pytest.mark.parametrize("profile", [*BOXES, "wide-open"])
def test_a_set_user_id_program_gives_nothing_without_new_privileges(
    arena: Arena, profile: str
) -> None:
    told = arena.in_box(profile, "set-user-id", SET_UID_PROGRAM)
    if profile == "wide-open":
        assert (told.reason, told.note) == ("", "effective 0")
        assert arena.in_box("only-no-new-privileges", "set-user-id", SET_UID_PROGRAM).reason
    else:
        assert (told.reason, told.note) == ("EPERM", "effective 100")


@pytest.mark.parametrize("profile", BOXES)
def test_groups_of_the_caller_do_not_come_along(arena: Arena, profile: str) -> None:
    mine = os.getgroups()
    os.setgroups([*mine, 4242])
    state = arena.site.state.parent / f"groups-{secrets.token_hex(3)}"
    try:
        with prepared(replace(arena.site, state=state), frozenset({profile})) as engine:
            told = replace(arena, engine=engine).in_box(profile, "groups")
        assert arena.on_host("groups").note.split()[-1] == "4242"
    finally:
        os.setgroups(mine)
        with contextlib.suppress(FileNotFoundError):
            state.rmdir()
    assert (told.reason, told.note) == ("", "")


@pytest.mark.parametrize("profile", BOXES)
def test_abstract_sockets_of_the_host_are_out_of_reach(arena: Arena, profile: str) -> None:
    name = f"tb-{secrets.token_hex(6)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        assert arena.in_box(profile, "abstract-socket", name).reason == "ECONNREFUSED"
        assert arena.on_host("abstract-socket", name).reason == ""


@pytest.mark.parametrize("profile", [*BOXES, "host-net"])
def test_raw_sockets_reach_the_boxs_interfaces_only(arena: Arena, profile: str) -> None:
    """``host-net`` is the testbed's host side, never the host's own network."""
    own = "lo" if profile == "host-net" else "eth0"
    foreign = next((name for _, name in socket.if_nameindex() if name not in {"lo", own}), None)
    if foreign is None:
        pytest.skip("this host has no interface but lo")
    with arena.box(profile) as instance:
        told = attack(instance.agent, "raw-on-interface", foreign)
        reached = attack(instance.agent, "raw-on-interface", own)
    assert told.reason in {"ENODEV", "EPERM"}
    assert reached.reason == ("" if profile == "no-userns" else reached.reason)
    assert arena.on_host("raw-on-interface", foreign).reason == ""


def test_taking_ones_own_loopback_down_is_not_the_hosts(arena: Arena) -> None:
    assert arena.in_box("wide-open", "link-down").reason == ""
    with socket.create_server(("127.0.0.1", 0)):
        pass
    flags = int(Path("/sys/class/net/lo/flags").read_text(), 16)
    assert flags & 1
    side = netns.inside(arena.bed.host_netns, lambda: Path("/proc/thread-self/net/dev").read_text())
    assert "lo:" in side


@pytest.mark.parametrize("profile", BOXES)
def test_shared_memory_of_the_host_has_no_key_in_a_box(arena: Arena, profile: str) -> None:
    key = 0x7B000000 | secrets.randbits(16)
    made = process.run(["ipcmk", "-M", "4096"], timeout_s=10).stdout.decode().split()[-1]
    try:
        listed = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        key = next(int(line.split()[0]) for line in listed if line.split()[1] == made)
        assert arena.in_box(profile, "shared-memory", key).reason == "ENOENT"
        assert arena.on_host("shared-memory", key).reason == ""
    finally:
        process.run(["ipcrm", "-m", made], timeout_s=10)


MIB = 1 << 20


@pytest.mark.parametrize("profile", BOXES)
def test_a_memory_bomb_ends_itself_and_nobody_else(
    arena: Arena, victim: subprocess.Popen[bytes], profile: str
) -> None:
    with arena.box(profile) as instance:
        blown = instance.agent.run(["/bin/attack", "memory", str(256 * MIB)], timeout_s=30)
        assert blown.status == -signal.SIGKILL
        assert instance.group.oom_kills() == 1
        assert instance.agent.run(["/bin/busybox", "true"], timeout_s=10).status == 0
        assert peak(instance) <= LIMITS.memory_bytes
    with arena.box(profile, limits=replace(LIMITS, memory_bytes=400 * MIB)) as instance:
        assert attack(instance.agent, "memory", 256 * MIB).reason == ""
    assert victim.poll() is None


def peak(instance: LaunchedInstance) -> int:
    """Highest charge of a box; 0 where the kernel does not keep it."""
    return instance.stats().cgroup_memory_peak_bytes or 0


@pytest.mark.parametrize("profile", BOXES)
def test_memory_file_systems_are_bounded_by_the_boxs_memory(arena: Arena, profile: str) -> None:
    """/dev/shm by its size; /dev by 64 KiB."""
    limits = replace(LIMITS, memory_bytes=200 * MIB)
    with arena.box(profile, limits=limits) as instance:
        assert attack(instance.agent, "fill", "/dev/shm/x", 128 * MIB).reason == "ENOSPC"
        assert attack(instance.agent, "fill", "/dev/x", MIB).reason == "ENOSPC"
        assert attack(instance.agent, "fill", "/dev/shm/x", 32 * MIB).reason == ""


FORKS = 700


@contextlib.contextmanager
def box_of(arena: Arena, profile: str, bounds: Bounds) -> Iterator[LaunchedInstance]:
    """A box with limits that ``Limits`` does not have."""
    hierarchy = arena.engine.hierarchy
    with mock.patch.object(cgroups, "bounds", return_value=bounds), arena.box(profile) as instance:
        assert hierarchy.group(arena.site.run, instance.spec.name).pids()
        yield instance


@pytest.mark.parametrize("profile", BOXES)
def test_a_fork_bomb_is_bounded_by_a_limit_of_processes(
    arena: Arena, victim: subprocess.Popen[bytes], profile: str
) -> None:
    bounds = Bounds((0,), memory_bytes=400 * MIB, pids_max=64)
    with box_of(arena, profile, bounds) as instance:
        told = attack(instance.agent, "forks", FORKS)
        assert told.reason == "EAGAIN"
        assert 50 < int(told.note) < 64
        assert instance.agent.run(["/bin/busybox", "true"], timeout_s=10).status == 0
    with box_of(arena, profile, replace(bounds, pids_max=None)) as instance:
        told = attack(instance.agent, "forks", FORKS)
    assert (told.reason, told.note) == ("", str(FORKS))
    assert victim.poll() is None


@pytest.mark.parametrize("profile", BOXES)
def test_a_box_has_a_limit_of_processes_by_default(
    arena: Arena, victim: subprocess.Popen[bytes], profile: str
) -> None:
    with arena.box(profile, limits=replace(LIMITS, memory_bytes=400 * MIB)) as instance:
        assert instance.limits().pids_max == PIDS_MAX
        told = attack(instance.agent, "forks", PIDS_MAX + 100)
    assert told.reason == "EAGAIN"
    assert PIDS_MAX - 20 < int(told.note) < PIDS_MAX
    assert victim.poll() is None


@pytest.mark.parametrize("profile", BOXES)
def test_a_fork_bomb_is_bounded_by_the_boxs_memory(
    arena: Arena, victim: subprocess.Popen[bytes], profile: str
) -> None:
    """Kernel memory is charged too: processes end before the host's numbers do."""
    with arena.box(profile, limits=replace(LIMITS, memory_bytes=24 * MIB)) as instance:
        bomb = instance.agent.spawn(["/bin/attack", "forks", "1500"], timeout_s=60)
        with contextlib.suppress(AgentFault):  # where the agent itself was the kernel's choice
            assert bomb.wait(60).status == -signal.SIGKILL
        assert instance.group.oom_kills()
        assert peak(instance) <= 24 * MIB
    assert victim.poll() is None
