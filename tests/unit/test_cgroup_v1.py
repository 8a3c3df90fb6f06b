"""cgroup v1 against a made-up tree: what is written where, and what is read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault
from runtimes.linux import cgroups
from runtimes.linux.cgroups import base, specs
from runtimes.linux.cgroups.mounts import parse
from runtimes.linux.cgroups.v1 import V1
from runtimes.linux.cpu_list import format_cpus, parse_cpus
from runtimes.resources import Limits, LimitsRead

RUN = "3fa9c1"
HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset,clone_children
35 31 0:32 / /sys/fs/cgroup/me\\040mory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
nonsense
"""


@pytest.fixture
def host(tmp_path: Path) -> V1:
    """A host with a cpuset that children must copy."""
    mounts = {name: tmp_path / name for name in ("cpuset", "cpu", "memory", "freezer")}
    for point in mounts.values():
        point.mkdir()
    for name, value in (("cpuset.cpus", "0-3\n"), ("cpuset.mems", "0\n")):
        (mounts["cpuset"] / name).write_text(value)
    return V1(mounts)


def test_controllers_are_found_where_they_are_mounted() -> None:
    found = parse(HYBRID)
    assert found.v1["cpuacct"] == found.v1["cpu"] == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert found.v1["memory"] == Path("/sys/fs/cgroup/me mory")
    assert "clone_children" not in found.v1
    assert found.v2 == Path("/sys/fs/cgroup/unified")


def test_a_host_with_both_versions_is_hybrid_and_uses_v1() -> None:
    hierarchy = cgroups.detect(HYBRID)
    assert hierarchy.version == "hybrid"
    assert hierarchy.controllers is not None


def test_a_host_without_cgroups_says_what_to_mount() -> None:
    with pytest.raises(RuntimeFault) as caught:
        cgroups.detect("")
    assert "mount" in caught.value.hint


def test_a_creation_names_every_limit_and_every_hierarchy(host: V1) -> None:
    made = host.creation(RUN, "tb-1", cgroups.bounds(Limits((0, 1, 3), 1.5, 1 << 28)))
    below = f"tarebench/{RUN}/tb-1"
    written = {str(item.path): item.value for item in made.writes}
    assert written == {
        str(host.mounts["cpuset"] / below / "cpuset.cpus"): "0-1,3",
        str(host.mounts["cpu"] / below / "cpu.cfs_quota_us"): "150000",
        str(host.mounts["memory"] / below / "memory.limit_in_bytes"): str(1 << 28),
    }
    assert [path.name for path in made.joins] == ["tasks"] * 3
    assert made.born_in is None


def test_swap_is_limited_with_memory_where_the_kernel_accounts_it(host: V1) -> None:
    (host.mounts["memory"] / "memory.memsw.limit_in_bytes").write_text("0")
    made = host.creation(RUN, "tb-1", specs.Bounds((0,), memory_bytes=4096))
    assert [item.path.name for item in made.writes][1:] == [
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
    ]


def test_co_mounted_controllers_are_made_and_joined_once(tmp_path: Path) -> None:
    shared = tmp_path / "cpu,cpuacct"
    host = V1({"cpuset": tmp_path / "a", "cpu": shared, "cpuacct": shared, "memory": tmp_path})
    made = host.creation(RUN, "x", specs.Bounds((0,)))
    assert len(made.directories) == len(made.joins) == 3


def test_limits_are_read_back_as_the_kernel_has_them(host: V1) -> None:
    group = host.group(RUN, "tb-1")
    for controller, name, value in (
        ("cpuset", "cpuset.effective_cpus", "0-1,3"),
        ("cpu", "cpu.cfs_quota_us", "150000"),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("memory", "memory.limit_in_bytes", "268435456"),
    ):
        group.directories[controller].mkdir(parents=True, exist_ok=True)
        (group.directories[controller] / name).write_text(value + "\n")
    assert group.limits() == LimitsRead((0, 1, 3), 1.5, 268435456)


def test_what_v1_calls_unlimited_is_no_limit(host: V1) -> None:
    group = host.group(RUN, "tb-1")
    for controller, name, value in (
        ("cpu", "cpu.cfs_quota_us", "-1"),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("memory", "memory.limit_in_bytes", "9223372036854771712"),
    ):
        group.directories[controller].mkdir(parents=True, exist_ok=True)
        (group.directories[controller] / name).write_text(value)
    assert group.limits() == LimitsRead(None, None, None)


def test_a_missing_controller_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match="memory"):
        V1({"cpuset": tmp_path, "cpu": tmp_path}).prepare(RUN)


def test_a_refused_write_names_file_value_and_cause(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault) as caught:
        base.write(tmp_path / "memory.max", "17")
    assert str(tmp_path / "memory.max") in str(caught.value)
    assert "'17'" in str(caught.value)
    assert "ENOENT" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "cpus"), [("0-1,3", (0, 1, 3)), ("", ()), ("5\n", (5,)), ("0-3", (0, 1, 2, 3))]
)
def test_cpu_lists_are_read_as_the_kernel_writes_them(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpus(text) == cpus
    assert format_cpus(cpus) == text.strip()


@pytest.fixture
def roomy(host: V1, tmp_path: Path) -> V1:
    """A host with every controller."""
    more = {name: tmp_path / name for name in ("pids", "blkio", "devices")}
    for point in more.values():
        point.mkdir()
    return V1({**host.mounts, **more})


def test_a_limit_brings_its_controller_and_no_other(roomy: V1) -> None:
    plain = roomy.creation(RUN, "x", specs.Bounds((0,)))
    assert {path.parents[2].name for path in plain.directories} == {
        "cpuset", "cpu", "memory"}  # fmt: skip
    few = roomy.creation(RUN, "x", specs.Bounds((0,), pids_max=9))
    assert few.writes[-1] == specs.Write(few.directories[-1] / "pids.max", "9")
    assert few.directories[-1].parents[2].name == "pids"


def test_weights_io_and_devices_are_written_in_v1s_words(roomy: V1) -> None:
    wanted = specs.Bounds(
        (0,),
        memory_bytes=4096,
        memory_high_bytes=1024,
        cpu_weight=200,
        io=(specs.IoLimit(8, 0, write_bytes_per_s=10),),
        io_weight=300,
        devices=(specs.DeviceRule("c", 1, 3, "rw"),),
    )
    written = [(one.path.name, one.value) for one in roomy.creation(RUN, "x", wanted).writes]
    assert written == [
        ("cpuset.cpus", "0"),
        ("cpu.shares", "2048"),
        ("memory.soft_limit_in_bytes", "1024"),
        ("memory.limit_in_bytes", "4096"),
        ("blkio.bfq.weight", "300"),
        ("blkio.throttle.write_bps_device", "8:0 10"),
        ("devices.deny", "a"),
        ("devices.allow", "c 1:3 rw"),
    ]


def test_a_limit_whose_controller_is_missing_is_refused_unless_it_is_not_wanted(host: V1) -> None:
    wanted = specs.Bounds((0,), io_weight=300, devices=(specs.DeviceRule("c", 1, 3),))
    with pytest.raises(RuntimeFault, match="blkio and devices controller") as caught:
        host.creation(RUN, "x", wanted)
    assert "mount -t cgroup -o blkio" in caught.value.hint
    host.creation(RUN, "x", replace(wanted, controllers=frozenset({"cpuset"})))


def test_controllers_that_are_not_wanted_are_not_made(roomy: V1) -> None:
    wanted = specs.Bounds((0,), 1.0, 4096, controllers=frozenset({"memory"}))
    made = roomy.creation(RUN, "x", wanted)
    assert [path.parents[2].name for path in made.directories] == ["memory"]
    assert [item.path.name for item in made.writes] == ["memory.limit_in_bytes"]


def test_everything_accounted_is_read_at_once(roomy: V1) -> None:
    group = roomy.group(RUN, "x")
    for controller, name, value in (
        ("cpu", "cpu.stat", "nr_periods 1\nthrottled_time 33"),
        ("memory", "memory.usage_in_bytes", "100"),
        ("memory", "memory.memsw.usage_in_bytes", "140"),
        ("pids", "pids.current", "3"),
        ("blkio", "blkio.throttle.io_service_bytes", "8:0 Read 5\n8:0 Write 6\n8:16 Read 1"),
    ):
        group.directories[controller].mkdir(parents=True, exist_ok=True)
        (group.directories[controller] / name).write_text(value + "\n")
    account = group.account()
    assert (account.throttled_ns, account.swap_bytes, account.pids) == (33, 40, 3)
    assert (account.io_read_bytes, account.io_write_bytes) == (6, 6)
    assert account.stalled_ns == {}
