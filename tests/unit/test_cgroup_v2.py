"""cgroup v2 against a made-up tree: delegation, the leaf rule, limits, accounting."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault
from runtimes.linux import cgroups
from runtimes.linux.cgroups import base, devices, specs, v2
from runtimes.linux.cgroups.v2 import V2
from runtimes.resources import Limits, LimitsRead

RUN = "3fa9c1"


def fake_cgroup(directory: Path) -> None:
    """What the kernel puts into a new cgroup, as far as we use it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma\n")
    (directory / "cgroup.subtree_control").write_text("")
    (directory / "cgroup.procs").write_text("")


@pytest.fixture
def host(tmp_path: Path) -> V2:
    fake_cgroup(tmp_path)
    for below in ("tarebench", f"tarebench/{RUN}"):
        fake_cgroup(tmp_path / below)
    return V2(tmp_path)


def test_a_pure_v2_host_is_detected() -> None:
    found = cgroups.detect("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n")
    assert found.version == "v2"
    assert found.controllers is None


def test_every_parent_hands_the_controllers_down(host: V2) -> None:
    host.prepare(RUN)
    for below in ("", "tarebench", f"tarebench/{RUN}"):
        handed = (host.root / below / "cgroup.subtree_control").read_text()
        assert handed == "+cpuset +cpu +memory +pids +io"


def test_what_is_handed_down_already_is_left_alone(host: V2) -> None:
    (host.root / "cgroup.subtree_control").write_text("cpuset cpu memory pids io")
    host.prepare(RUN)
    assert (host.root / "cgroup.subtree_control").read_text() == "cpuset cpu memory pids io"


def test_a_host_that_lacks_a_controller_says_which(host: V2) -> None:
    (host.root / "cgroup.controllers").write_text("cpu pids\n")
    with pytest.raises(RuntimeFault, match="cpuset, memory") as caught:
        host.prepare(RUN)
    assert "Delegate" in caught.value.hint


def test_a_parent_with_processes_explains_the_leaf_rule(
    host: V2, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> int:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(base.os, "write", busy)
    with pytest.raises(RuntimeFault, match="EBUSY") as caught:
        host.prepare(RUN)
    assert "no-internal-processes" in caught.value.hint


def test_a_creation_is_one_directory_that_the_child_is_born_in(host: V2) -> None:
    made = host.creation(RUN, "tb-1", cgroups.bounds(Limits((0, 1), 0.5, 4096)))
    directory = host.root / "tarebench" / RUN / "tb-1"
    assert made.directories == (directory,)
    assert made.born_in == directory
    assert made.joins == ()
    assert [(item.path.name, item.value) for item in made.writes] == [
        ("cpuset.cpus", "0-1"),
        ("cpu.max", "50000 100000"),
        ("memory.max", "4096"),
        ("pids.max", "2048"),
    ]


def test_swap_is_switched_off_where_the_kernel_accounts_it(host: V2) -> None:
    (host.root / "tarebench" / "memory.swap.max").write_text("max")
    made = host.creation(RUN, "tb-1", specs.Bounds((0,), memory_bytes=4096))
    assert made.writes[-1].path.name == "memory.swap.max"
    assert made.writes[-1].value == "0"


def test_limits_and_accounts_are_read_in_our_units(host: V2) -> None:
    directory = host.root / "tarebench" / RUN / "tb-1"
    fake_cgroup(directory)
    for name, value in (
        ("cpuset.cpus.effective", "0-1"),
        ("cpu.max", "150000 100000"),
        ("memory.max", "4096"),
        ("pids.max", "77"),
        ("memory.current", "1024"),
        ("memory.peak", "2048"),
        ("cpu.stat", "usage_usec 12\nuser_usec 8"),
        ("memory.events", "low 0\noom 2\noom_kill 3"),
        ("cgroup.procs", "17\n4\n"),
    ):
        (directory / name).write_text(value + "\n")
    group = host.group(RUN, "tb-1")
    assert group.limits() == LimitsRead((0, 1), 1.5, 4096, 77)
    assert group.cpu_ns() == 12_000
    assert (group.memory_bytes(), group.memory_peak_bytes()) == (1024, 2048)
    assert group.oom_kills() == 3
    assert group.pids() == (17, 4)


def test_no_limit_reads_as_none(host: V2) -> None:
    directory = host.root / "tarebench" / RUN / "tb-1"
    fake_cgroup(directory)
    (directory / "cpu.max").write_text("max 100000\n")
    (directory / "memory.max").write_text("max\n")
    assert host.group(RUN, "tb-1").limits() == LimitsRead(None, None, None)


def test_a_kernel_without_a_peak_file_reads_as_none(host: V2) -> None:
    assert host.group(RUN, "gone").memory_peak_bytes() is None


def test_a_cgroup_that_does_not_empty_is_a_fault_with_a_limit(host: V2) -> None:
    directory = host.root / "tarebench" / RUN / "tb-1"
    fake_cgroup(directory)
    (directory / "cgroup.kill").write_text("")
    (directory / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    group = v2.V2Group(directory)
    with pytest.raises(RuntimeFault, match="populated is not 0 after"):
        group.kill(timeout_s=0.05)
    (directory / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    group.kill(timeout_s=0.05)
    assert (directory / "cgroup.kill").read_text() == "1"


def test_removal_goes_from_the_leaves_up_and_is_idempotent(tmp_path: Path) -> None:
    (tmp_path / "tarebench" / RUN / "tb-1" / "inner").mkdir(parents=True)
    host = V2(tmp_path)
    assert host.remove_all(RUN) == ["cgroup tb-1"]
    assert host.remove_all(RUN) == []
    assert not (tmp_path / "tarebench").exists()


FULL = specs.Bounds(
    cpus=(0,),
    memory_bytes=1 << 20,
    memory_high_bytes=1 << 19,
    swap_bytes=7,
    cpu_weight=50,
    pids_max=64,
    io=(specs.IoLimit(8, 16, read_bytes_per_s=1000, write_operations_per_s=5),),
    io_weight=200,
    devices=devices.DEFAULT,
)


def test_every_limit_has_its_file(host: V2) -> None:
    (host.root / "tarebench" / "memory.swap.max").write_text("max")
    made = host.creation(RUN, "tb-1", FULL)
    assert {item.path.name: item.value for item in made.writes} == {
        "cpuset.cpus": "0",
        "cpu.weight": "50",
        "memory.high": "524288",
        "memory.max": "1048576",
        "memory.swap.max": "7",
        "pids.max": "64",
        "io.weight": "default 200",
        "io.max": "8:16 rbps=1000 wiops=5",
    }
    assert made.device_program == devices.program(devices.DEFAULT)


@pytest.mark.parametrize(
    ("kernel_has", "written"),
    [
        (("io.bfq.weight",), {"io.bfq.weight": "default 1000"}),
        (("io.weight",), {"io.weight": "default 5000"}),
        (
            ("io.bfq.weight", "io.weight"),
            {"io.bfq.weight": "default 1000", "io.weight": "default 5000"},
        ),
        ((), {"io.weight": "default 5000"}),  # the kernel says that it is not there
    ],
)
def test_an_io_weight_is_for_whichever_scheduler_weighs(
    host: V2, kernel_has: tuple[str, ...], written: dict[str, str]
) -> None:
    for name in kernel_has:
        (host.root / "tarebench" / name).write_text("default 100")
    made = host.creation(RUN, "tb-1", specs.Bounds((), io_weight=5000))
    assert {item.path.name: item.value for item in made.writes} == written


def test_controllers_that_are_not_wanted_get_no_limit(host: V2) -> None:
    wanted = replace(FULL, controllers=frozenset({"pids"}))
    assert [item.path.name for item in host.creation(RUN, "x", wanted).writes] == ["pids.max"]


def test_everything_accounted_is_read_at_once(host: V2) -> None:
    directory = host.root / "tarebench" / RUN / "tb-1"
    fake_cgroup(directory)
    for name, value in (
        ("cpu.stat", "usage_usec 12\nuser_usec 8\nsystem_usec 4\nthrottled_usec 3"),
        ("memory.current", "1024"),
        ("memory.swap.current", "5"),
        ("pids.current", "2"),
        ("io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2"),
        ("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=77\nfull total=1"),
    ):
        (directory / name).write_text(value + "\n")
    account = host.group(RUN, "tb-1").account()
    assert (account.cpu_user_ns, account.cpu_system_ns, account.throttled_ns) == (8000, 4000, 3000)
    assert (account.swap_bytes, account.pids) == (5, 2)
    assert (account.io_read_bytes, account.io_write_bytes) == (11, 22)
    assert account.stalled_ns == {"memory": 77_000}
    assert account.memory_peak_bytes is None
