"""A plain user with a cgroup of its own, as systemd's ``Delegate=yes`` makes one: real limits.

On hosts without pure cgroup v2 these run in a guest: see test_cgroup_v2_guest.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runtimes.linux import cgroups
from runtimes.linux.cgroups.delegated import LEAF
from tests.support.plain_user import USER, PlainUser, plain_user
from tests.support.tiny_rootfs import missing, tiny_rootfs

SH = ("/bin/busybox", "sh", "-c")
TOP = Path("/sys/fs/cgroup")
GIVEN = ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control")
EVERYTHING = ("cpuset", "cpu", "memory", "pids")


@pytest.fixture(scope="module", autouse=True)
def pure_v2() -> None:
    if not (TOP / "cgroup.controllers").exists() or cgroups.detect().version != "v2":
        pytest.skip("the host's controllers are not all in cgroup v2")


@pytest.fixture(scope="module")
def user() -> Iterator[PlainUser]:
    """A user with a root filesystem."""
    if missing():
        pytest.skip(missing())
    with plain_user() as found:
        (found.home / "fs").mkdir()
        tiny_rootfs(found.home / "fs")
        for path in [found.home / "fs", *(found.home / "fs").rglob("*")]:
            os.lchown(path, USER.pw_uid, USER.pw_gid)
        yield found


@pytest.fixture
def delegated(user: PlainUser, request: pytest.FixtureRequest) -> Iterator[PlainUser]:
    """The user's programs begin in a cgroup that was given to the user, with some controllers."""
    wanted = getattr(request, "param", EVERYTHING)
    slices = TOP / "tb-test.slice"
    slices.mkdir()
    own = slices / "tb-test.scope"
    try:
        own_controllers = " ".join(f"+{name}" for name in wanted)
        (TOP / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in EVERYTHING))
        (slices / "cgroup.subtree_control").write_text(own_controllers)
        own.mkdir()
        for path in (own, *(own / name for name in GIVEN)):
            os.chown(path, USER.pw_uid, USER.pw_gid)
        yield replace(user, group=str(own))
        assert sorted(path.name for path in own.iterdir() if path.is_dir()) == []
        assert (own / "cgroup.subtree_control").read_text().strip() == ""
    finally:
        for path in sorted(own.rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
        own.rmdir()
        slices.rmdir()


def root_of(user: PlainUser) -> Path:
    return user.home / "fs" / "root"


def test_limits_are_the_cgroups_and_the_kernel_keeps_them(delegated: PlainUser) -> None:
    cpu = str(max(os.sched_getaffinity(0)))
    limits = ("--memory", "32m", "--pids", "50", "--cpu-quota", "0.5", "--cpus", cpu)
    read = "cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpuset.cpus /proc/self/cgroup"
    eat = "busybox dd if=/dev/zero of=/dev/null bs={}M count=1 2>/dev/null; echo $?"
    script = f"PATH=/bin; {read}; {eat.format(60)}; {eat.format(1)}"
    ran = delegated.box(root_of(delegated), *SH, script, options=limits)
    assert ran.returncode == 0, ran.stderr
    kept = ["33554432", "50", "50000 100000", cpu, "0::/"]
    assert ran.stdout.splitlines() == [*kept, "137", "0"]
    assert "affinity" not in ran.stderr


@pytest.mark.parametrize("delegated", [("memory", "pids")], indirect=True)
def test_what_did_not_come_is_refused_or_kept_by_affinity(delegated: PlainUser) -> None:
    cpu = str(max(os.sched_getaffinity(0)))
    ran = delegated.box(root_of(delegated), *SH, "echo", options=("--cpu-quota", "0.5"))
    assert ran.returncode == 125
    assert "controller cpu is not ours" in ran.stderr
    script = "PATH=/bin; cat /sys/fs/cgroup/memory.max; busybox grep Cpus_allowed_l /proc/1/status"
    options = ("--memory", "48m", "--cpus", cpu)
    ran = delegated.box(root_of(delegated), *SH, script, options=options)
    assert ran.stdout.split() == ["50331648", "Cpus_allowed_list:", cpu], ran.stderr
    assert "affinity" in ran.stderr


@pytest.mark.parametrize("delegated", [("cpu", "memory", "pids")], indirect=True)
def test_engines_read_back_what_came_and_caution_of_what_did_not(delegated: PlainUser) -> None:
    ran = delegated.python("-m", "tests.support.delegated_engine", str(delegated.home))
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["conditions"] == ["rootless", "unenforced"]
    limits = found["limits"]
    assert (limits["cpu_quota"], limits["memory_bytes"], limits["pids_max"]) == (0.5, 64 << 20, 77)
    assert limits["cpus"] == [max(os.sched_getaffinity(0))]
    assert found["paused"] is True
    assert found["harness"].endswith(f"/{LEAF}")
    assert found["left"] == []
