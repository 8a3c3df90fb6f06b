"""The namespace runtime for real: isolation, limits, ends, leavings."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runtimes import process
from runtimes.launcher import LaunchFault
from runtimes.launcher.instance import LaunchedInstance
from runtimes.linux import cgroups, netns, proc
from runtimes.linux.proc import readable
from runtimes.ns import NamespaceRuntime
from runtimes.ns.engine import STAGE
from runtimes.ns.profiles.catalogue import CATALOGUE as PROFILES
from tests.support.ns_bench import PROGRAM, Bench, opened_bench, shell
from tests.support.sites import LIMITS

pytestmark = pytest.mark.root

RUN = secrets.token_hex(3)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with opened_bench(RUN, tmp_path_factory.mktemp("ns")) as opened:
        yield opened


def traces(bench: Bench) -> dict[str, object]:
    """Everything a box could leave on the host, apart from what others on it do meanwhile."""
    bed, state = bench.bed, str(bench.site.state)
    links = netns.inside(
        bed.host_netns,
        lambda: sorted(path.name for path in Path("/proc/thread-self/net/dev_snmp6").iterdir()),
    )
    hierarchy = cgroups.detect()
    points = set((hierarchy.controllers or {"": Path("/sys/fs/cgroup")}).values())
    return {
        "mounts": Path("/proc/self/mountinfo").read_text().count(state),
        "cgroups": sorted(str(p) for point in points for p in point.glob(f"tarebench/{RUN}/*")),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "links": links,
        "children": Path(f"/proc/self/task/{os.getpid()}/children").read_text().split(),
        "namespaces": sorted(path.name for path in Path("/run/netns").glob(f"tb-{RUN}*")),
    }


def only_stages(bench: Bench) -> bool:
    """Whether the state directory has nothing of any box."""
    return all(path.name.startswith(STAGE) for path in bench.site.state.iterdir())


def test_the_box_is_the_first_of_its_own_few_processes(bench: Bench) -> None:
    with bench.box() as instance:
        assert shell(instance, "ls -d /proc/[0-9]* | wc -l") != ""
        visible = shell(instance, "echo /proc/[0-9]*").split()
        assert visible[:2] == ["/proc/1", "/proc/2"]
        assert len(visible) < 6


def test_each_namespace_is_the_boxs_own(bench: Bench) -> None:
    with bench.box() as instance:
        inside = instance.agent.facts()
    for kind in ("pid", "mnt", "net", "user", "uts", "ipc", "cgroup"):
        assert inside[f"ns.{kind}"] != str(Path(f"/proc/self/ns/{kind}").stat().st_ino), kind
    assert inside["hostname"] == f"tb-{RUN}-0"


def test_root_inside_is_nobody_outside(bench: Bench) -> None:
    with bench.box() as instance:
        assert instance.agent.facts()["uid"] == "0"
        for pid in instance.stats().pids:
            assert Path(f"/proc/{pid}").stat().st_uid == 100_000
        shell(instance, "echo x > /made")
        made = bench.site.state / instance.spec.name / "upper/made"
        assert made.stat().st_uid == 100_000


def test_files_of_the_root_belong_to_root_inside(bench: Bench) -> None:
    with bench.box() as instance:
        listed = shell(instance, "ls -lnd / /bin /bin/busybox /dev/null /dev/pts")
    assert re.findall(r"^\S+ +\d+ (\d+) +(\d+)", listed, re.MULTILINE)[:4] == [("0", "0")] * 4


def test_what_a_box_writes_is_its_own(bench: Bench) -> None:
    with bench.box(slot=0) as first, bench.box(slot=1) as second:
        shell(first, "echo changed > /etc/mine; rm /bin/wget")
        assert shell(second, "cat /etc/mine; echo /bin/wget") == "/bin/wget\n"
    assert not (bench.site.rootfs.directory / "etc/mine").exists()
    assert (bench.site.rootfs.directory / "bin/wget").is_symlink()


def test_capabilities_filter_and_privileges_are_dockers_default(bench: Bench) -> None:
    with bench.box() as instance:
        status = shell(instance, "cat /proc/self/status")
    for line in ("CapEff:\t00000000a80425fb", "CapBnd:\t00000000a80425fb",
                 "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000",
                 "NoNewPrivs:\t1", "Seccomp:\t2"):  # fmt: skip
        assert line in status


@pytest.mark.parametrize(
    "attempt",
    [
        "mount -t tmpfs none /tmp",
        "umount /proc/sys",
        "echo 1 > /proc/sys/kernel/randomize_va_space",
        "echo b > /proc/sysrq-trigger",
        "mknod /tmp/vda b 254 0 && cat /tmp/vda",
        "unshare -U true",
        "hostname changed",
        "cat /proc/1/environ",
        "ls /proc/1/root/",
        "echo 1 > /sys/fs/cgroup/memory/memory.limit_in_bytes",
        "mkdir /sys/fs/cgroup/cpuset/escape",
        "cat /proc/kcore | head -c 1 | grep -q .",
        "ls /sys/firmware | grep -q .",
        "chroot /proc/1/root true",
        "! date -s 2001-01-01 2>&1 | grep -q permitted",
        "ip link set eth0 down",
    ],
)
@pytest.mark.parametrize("profile", ["default", "no-userns", "depth-8"])
def test_a_known_way_out_is_closed(bench: Bench, attempt: str, profile: str) -> None:
    with bench.box(profile) as instance:
        tried = instance.agent.run([*PROGRAM, "sh", "-c", attempt], timeout_s=10)
    assert tried.status != 0, tried.stdout


def test_no_descriptor_but_the_channel_reaches_the_box(bench: Bench) -> None:
    secret = os.memfd_create("secret", 0)  # inheritable, as a careless harness might have it
    os.set_inheritable(secret, True)  # noqa: FBT003  # its only form
    try:
        with bench.box() as instance:
            pids = instance.group.pids()
            (agent,) = (pid for pid in pids if proc.program(proc.arguments(pid)) == "agent")
            own = [str(link.readlink()) for link in Path(f"/proc/{agent}/fd").iterdir()]
            assert len(own) <= 10, own
            assert not [target for target in own if "secret" in target]
            assert "secret" not in shell(instance, "ls -l /proc/self/fd")
            assert shell(instance, "pwd").strip() == "/"
    finally:
        os.close(secret)


def test_mounts_of_a_box_are_not_the_hosts(bench: Bench) -> None:
    with bench.box() as instance:
        outside = Path("/proc/self/mountinfo").read_text()
        assert instance.spec.name not in outside
        assert instance.spec.name in Path(f"/proc/{instance.stats().pids[0]}/mountinfo").read_text()


def test_limits_are_set_and_read_back(bench: Bench) -> None:
    with bench.box() as instance:
        read = instance.limits()
        facts = instance.agent.facts()
    assert (read.cpus, read.cpu_quota, read.memory_bytes) == ((0,), 0.5, 64 << 20)
    assert read.pids_max == 2048
    assert facts["affinity"] == "0"
    assert float(facts["cgroup_cpu_max"]) == 0.5
    assert int(facts["cgroup_memory_max_bytes"]) == 64 << 20


def test_memory_beyond_the_limit_is_killed_and_said(bench: Bench) -> None:
    with bench.box() as instance:
        greedy = ["dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"]
        done = instance.agent.run([*PROGRAM, *greedy], timeout_s=60)
        assert done.status == -signal.SIGKILL
        assert "memory limit" in instance.diagnostics()
        assert (instance.stats().cgroup_memory_peak_bytes or 0) > 60 << 20


def test_the_peer_is_reached_and_reaches_the_box(bench: Bench) -> None:
    with bench.box() as instance:
        assert shell(instance, f"ping -c1 -W2 {bench.bed.peer_address} >/dev/null && echo up")
        routes = shell(instance, "ip route")
        assert f"default via {bench.bed.gateway}" in routes


def test_a_box_without_network_has_loopback_only(bench: Bench) -> None:
    with bench.box("no-net") as instance:
        assert shell(instance, "ls /sys/class/net").split() == ["lo"]
        assert "UP" in shell(instance, "ip link show lo")


def test_a_box_on_the_host_network_is_in_the_testbeds_namespace(bench: Bench) -> None:
    with bench.box("host-net") as instance:
        wanted = bench.bed.host_netns.stat().st_ino
        assert instance.agent.facts()["ns.net"] == str(wanted)
        assert bench.bed.bridge in shell(instance, "ls /sys/class/net")


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_starts(bench: Bench, profile: str) -> None:
    with bench.box(profile) as instance:
        assert shell(instance, "echo ready") == "ready\n"


def test_orphans_are_reaped(bench: Bench) -> None:
    with bench.box() as instance:
        shell(instance, "for i in 1 2 3 4 5; do (sleep 0 &) ; done; sleep 0.3")
        states = shell(instance, "cat /proc/[0-9]*/stat 2>/dev/null")
        assert ") Z " not in states


def test_a_stop_ends_every_process_even_deaf_ones(bench: Bench) -> None:
    with bench.box() as instance:
        shell(instance, "(trap '' TERM INT HUP; sleep 1000) >/dev/null 2>&1 &")
        pids = instance.stats().pids
        assert len(pids) >= 3
        instance.stop(timeout_s=2)
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        assert instance.stats().pids == ()


def test_fifty_starts_leave_nothing(bench: Bench) -> None:
    with bench.box():
        pass
    before = traces(bench)
    for slot in range(50):
        with bench.box(slot=slot):
            pass
    assert traces(bench) == before
    assert only_stages(bench)


def test_concurrent_starts_do_not_meet(bench: Bench) -> None:
    started: list[LaunchedInstance] = []
    failures: list[BaseException] = []

    def start(slot: int) -> None:
        try:
            started.append(bench.engine.start(bench.spec(slot)))
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)

    threads = [threading.Thread(target=start, args=(slot,)) for slot in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert failures == []
        for instance in started:
            # The threads that started them are gone; the boxes must not be.
            instance.agent.hello(10)
            assert instance.agent.run([*PROGRAM, "true"], timeout_s=10).status == 0
        assert len({pid for one in started for pid in one.stats().pids}) == 24
    finally:
        for instance in started:
            instance.remove()


def test_a_failed_start_is_told_exactly_and_undone(bench: Bench) -> None:
    before = traces(bench)
    root = bench.site.rootfs.directory
    root.rename(root.with_name("gone"))
    try:
        with pytest.raises(LaunchFault, match=r"mount overlay on .* \(1 layer of .*: ENOENT"):
            bench.engine.start(bench.spec(0, "no-userns"))
    finally:
        root.with_name("gone").rename(root)
    assert traces(bench) == before
    assert only_stages(bench)


def test_a_failure_late_in_the_child_is_undone_too(bench: Bench) -> None:
    before = traces(bench)
    broken = replace(bench.engine, filter=b"\0" * 8)
    with pytest.raises(LaunchFault, match="load seccomp filter"):
        broken.start(bench.spec(0))
    assert traces(bench) == before
    assert only_stages(bench)


@pytest.mark.parametrize("memory_bytes", [4096, 65536])
def test_a_box_that_cannot_start_in_its_memory_is_told_and_undone(
    bench: Bench, memory_bytes: int
) -> None:
    before = traces(bench)
    spec = replace(bench.spec(0), limits=replace(LIMITS, memory_bytes=memory_bytes))
    with pytest.raises(LaunchFault) as caught:
        bench.engine.start(spec)
    assert caught.value.hint
    assert traces(bench) == before


def test_a_name_in_use_is_refused_and_the_first_box_lives_on(bench: Bench) -> None:
    with bench.box() as instance:
        with pytest.raises(LaunchFault, match="EEXIST"):
            bench.engine.start(bench.spec(0))
        assert shell(instance, "echo alive") == "alive\n"


HARNESS = """
import sys, time
from pathlib import Path
from harness.prepare.testbed import Testbed
from runtimes.base import InstanceSpec, Site
from runtimes.resources import Limits
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.ns import NamespaceRuntime
run, state, cache, root, host, peer = sys.argv[1:]
bed = Testbed(run, Path(host), Path(peer))
limits = Limits((0,), 0.5, 64 << 20)
rootfs = Rootfs("", Path(root), Path(root), {}, {}, 0, "")
site = Site(run, Path(state), Path(cache), rootfs, bed, limits, lambda _: None)
with NamespaceRuntime().prepare(site, frozenset({"default"})) as engine:
    box = engine.start(InstanceSpec(f"tb-{run}-0", "default", limits, bed.lease(150)))
    box.agent.hello(10)
    print(*box.stats().pids, flush=True)
    time.sleep(60)
"""


def test_a_killed_harness_takes_its_boxes_along_and_clean_removes_the_rest(bench: Bench) -> None:
    run = secrets.token_hex(3)
    state = bench.site.state.parent / "killed"
    arguments = (run, state, bench.site.cache, bench.site.rootfs.directory,
                 bench.bed.host_netns, bench.bed.peer_netns)  # fmt: skip
    harness = process.spawn(
        [sys.executable, "-c", HARNESS, *map(str, arguments)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert harness.stdout is not None
    with harness.stdout:
        pids = [int(word) for word in harness.stdout.readline().split()]
    assert len(pids) == 2
    ends = [os.pidfd_open(pid) for pid in pids]
    harness.kill()
    harness.wait()
    try:
        assert all(readable(end, 10.0) for end in ends)
    finally:
        for end in ends:
            os.close(end)
    assert NamespaceRuntime().clean(state, run)
    assert not state.exists()
    assert NamespaceRuntime().clean(state, run) == []


def test_a_box_is_run_by_hand_and_its_exit_status_passed_on(bench: Bench) -> None:
    command = [sys.executable, "-m", "runtimes.standalone.box", "run", "--layers",
               str(bench.site.rootfs.directory), "--", "/bin/busybox", "sh", "-c"]  # fmt: skip
    env = {
        "TAREBENCH_STATE": str(bench.site.state.parent / "hand"),
        "TAREBENCH_CACHE": str(bench.site.cache),
    }
    repository = Path(__file__).parents[2]
    done = process.run([*command, "cat; hostname"], timeout_s=30, env=env, cwd=repository,
                       stdin=b"hello\n")  # fmt: skip
    assert done.stdout == b"hello\nbox\n"
    for script, status in (("exit 7", "status 7"), ("kill -9 $$", "status 137")):
        with pytest.raises(process.CommandFailed, match=status):
            process.run([*command, script], timeout_s=30, env=env, cwd=repository)
