"""The OCI backend for real: the same box as ns makes, its ends, its failures, its leavings."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import platform
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import pytest

from runtimes import process
from runtimes.agent.channel import Agent
from runtimes.faults import RuntimeFault
from runtimes.linux import cgroups, netns
from runtimes.linux.cgroups import Bounds
from runtimes.linux.cgroups.devices import DEFAULT as DEFAULT_DEVICES
from runtimes.ns.engine import prepared as ns_prepared
from runtimes.ns.mounts import mount_plan
from runtimes.oci import OciRuntime, bundle, engine, profiles
from runtimes.oci.engine import OciEngine, prepared
from runtimes.oci.instance import OciInstance
from tests.support import escapes
from tests.support.sites import Ground, ground, short_directory

pytestmark = pytest.mark.root

RUN = secrets.token_hex(3)
PROGRAM = ["/bin/busybox"]
WANTED = frozenset({"default", "no-userns"})


@dataclass(frozen=True)
class Bench(Ground):
    """What a test starts boxes with."""

    engine: OciEngine

    @contextlib.contextmanager
    def box(self, profile: str = "default", slot: int = 0) -> Iterator[OciInstance]:
        instance = self.engine.start(self.spec(slot, profile))
        try:
            instance.agent.hello(10)
            yield instance
        finally:
            instance.remove()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with (
        short_directory() as where,
        ground(OciRuntime(), RUN, where) as made,
        prepared(made.site, WANTED) as engine,
    ):
        yield Bench(made.site, made.bed, engine)


def shell(agent: Agent, script: str) -> str:
    """Standard output of a script in the box."""
    return agent.run([*PROGRAM, "sh", "-c", script], timeout_s=20).stdout.decode()


NODES = {f"/dev/{name}" for name, *_ in mount_plan.DEVICES}
SEEN = {
    "rights": "grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)' /proc/self/status",
    "ids": "cat /proc/self/uid_map /proc/self/gid_map",
    "devices": "cd /dev; for name in *; do stat -c '%n %A %t %T' $name; done; cd /",
    "network": "ip -4 addr show eth0 | grep -o 'inet .*'; ip route; cat /sys/class/net/eth0/mtu",
    "limits": "cat /proc/self/limits",
    "masked": "cat /proc/kcore /proc/keys /proc/timer_list 2>&1 | wc -c; ls /sys/firmware",
    "read-only": "for p in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do"
    ' grep -c " $p $p ro," /proc/self/mountinfo; done',
    "environment": "env | sort; pwd; umask; hostname",
}
"""What a box looks like from inside, in busybox's words."""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="int 0x80 belongs to x86")
def test_the_filter_that_runc_makes_of_our_words_holds_in_the_other_tables(bench: Bench) -> None:
    """libseccomp lets socketcall through wherever socket is allowed with conditions."""
    vsock, internet, direct = 40, 2, 359
    program = escapes.compiled(bench.site.state / "attack")
    if process.run([str(program), "compatible-call", "20"], timeout_s=10).stdout[:1] != b"0":
        pytest.skip("this kernel has no 32-bit calls")
    cases = [
        (("compatible-socketcall", vsock), "ENOSYS"), (("x32-call", 41, vsock, 1), "EPERM"),
        (("compatible-call", direct, vsock, 1), "EPERM"),
        (("compatible-call", direct, internet, 1), ""), (("call", 41, 1 << 32 | vsock, 1), "EPERM"),
    ]  # fmt: skip
    with bench.box() as instance:
        content = program.read_bytes()
        instance.agent.put(escapes.PROGRAM, content, timeout_s=20, mode=0o755)
        told = {argv: escapes.attack(instance.agent, *argv).reason for argv, _ in cases}
    assert told == dict(cases)


@pytest.mark.parametrize("profile", sorted(WANTED))
def test_a_box_looks_the_same_as_one_of_ns(bench: Bench, profile: str) -> None:
    script = "; ".join(f"echo == {name}; {text}" for name, text in SEEN.items())
    script = re.sub(
        r"(?<![\w/-])(grep|cat|stat|ip|wc|ls|env|sort|hostname) ", r"busybox \1 ", script
    )
    with bench.box(profile) as instance:
        theirs = shell(instance.agent, script)
        their_mounts = mounts(instance.agent)
    state = bench.site.state.parent / "ns"
    state.mkdir()
    try:
        with ns_prepared(replace(bench.site, state=state), frozenset({profile})) as other:
            instance_of_ns = other.start(bench.spec(0, profile))
            try:
                instance_of_ns.agent.hello(10)
                ours = shell(instance_of_ns.agent, script)
                our_mounts = mounts(instance_of_ns.agent)
            finally:
                instance_of_ns.remove()
    finally:
        shutil.rmtree(state)
    assert len(ours.splitlines()) > 60
    assert theirs.splitlines() == ours.splitlines()
    assert their_mounts == our_mounts


def mounts(agent: Agent) -> dict[str, tuple[str, frozenset[str]]]:
    """Mount point → file system and flags, of what both kinds mount for themselves."""
    found = {}
    for line in shell(agent, "cat /proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        point, options, kind = left.split()[4], left.split()[5], right.split()[0]
        flags = frozenset(options.split(",")) & {"ro", "nosuid", "nodev", "noexec"}
        if point.startswith("/sys/fs/cgroup/") or point in NODES:
            continue  # ns shows the hierarchies in use, runc all; nodes are bound by runc only
        if point in mount_plan.MASKED:
            kind = "mask"  # /dev/null, of whichever /dev, or an empty directory
            flags &= {"ro"}  # the other flags restrict nothing there
        found[point] = (kind, flags)
    return found


def test_limits_and_statistics_are_the_boxs(bench: Bench) -> None:
    with bench.box() as instance:
        read, stats = instance.limits(), instance.stats()
        assert (read.cpus, read.cpu_quota, read.memory_bytes) == ((0,), 0.5, 64 << 20)
        assert read.pids_max == 2048
        commands = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in stats.pids}
        assert {"agent"} < commands
        assert len(stats.pids) == 2
        assert stats.cgroup_memory_bytes
        assert stats.disk_bytes > 0
        assert set(instance.marks) >= {"created", "network", "executed"}
        assert instance.marks["created"] < instance.marks["network"] < instance.marks["executed"]


def test_every_limit_that_a_box_of_ns_can_have_is_set_by_runc(bench: Bench) -> None:
    hierarchy = cgroups.detect()
    if hierarchy.controllers is None:
        pytest.skip("files of v1 are looked at")
    bounds = Bounds((0,), 0.5, 64 << 20, cpu_weight=200, pids_max=50, devices=DEFAULT_DEVICES)
    with mock.patch.object(cgroups, "bounds", return_value=bounds), bench.box() as instance:
        pid = instance.group.pids()[0]
        listed = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        own = {line.split(":")[1]: line.split(":")[2] for line in listed}
        top = Path("/sys/fs/cgroup")
        assert Path(top, "pids", own["pids"][1:], "pids.max").read_text() == "50\n"
        assert Path(top, "cpu", own["cpu"][1:], "cpu.shares").read_text() == "2048\n"
        allowed = Path(top, "devices", own["devices"][1:], "devices.list").read_text()
    assert "c 1:3 rwm" in allowed
    assert "a *:* rwm" not in allowed


def test_an_orderly_end_is_told_with_its_signal(bench: Bench) -> None:
    with bench.box() as instance:
        instance.stop(10)
        assert instance.wait(0) == 128 + signal.SIGTERM


def test_a_box_that_ignores_signals_is_killed(bench: Bench) -> None:
    with bench.box() as instance:
        for pid in instance.group.pids():
            os.kill(pid, signal.SIGSTOP)
        instance.stop(0.2)
        assert instance.wait(0) == 128 + signal.SIGKILL


def test_runcs_own_words_are_told_when_it_fails(bench: Bench) -> None:
    file = bench.site.rootfs.directory / "opt/tarebench/agent"
    file.chmod(0o644)
    try:
        with pytest.raises(RuntimeFault, match=r"(start|create) failed") as fault:
            bench.engine.start(bench.spec(3))
    finally:
        file.chmod(0o755)
    assert "permission denied" in fault.value.tail.lower()
    assert left_of(bench, 3) == []


def left_of(bench: Bench, slot: int) -> list[str]:
    """What there is on the host of a box."""
    name = bench.spec(slot).name
    hierarchy = cgroups.detect()
    points = {*(hierarchy.controllers or {"": Path("/sys/fs/cgroup")}).values(),
              *getattr(hierarchy, "others", ())}  # fmt: skip
    found = [str(point / f"tarebench/{RUN}/{name}") for point in points]
    found += [str(bench.site.state / name), str(bench.site.state / engine.ROOT / name)]
    links = netns.inside(
        bench.bed.host_netns,
        lambda: [path.name for path in Path("/proc/thread-self/net/dev_snmp6").iterdir()],
    )
    return [path for path in found if Path(path).exists()] + [
        link for link in links if link == f"tb{RUN}o{slot}"
    ]


def test_nothing_is_left_of_a_removed_box(bench: Bench) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with bench.box(slot=2):
        assert left_of(bench, 2)
    assert left_of(bench, 2) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert str(bench.site.state) not in Path("/proc/self/mountinfo").read_text()


def test_nothing_is_left_of_a_run_in_any_cgroup_hierarchy(bench: Bench) -> None:
    """runc makes cgroups in every one, the named ones too."""
    run, state = secrets.token_hex(3), bench.site.state.parent / "whole"
    state.mkdir()
    with prepared(replace(bench.site, run=run, state=state), frozenset({"default"})) as made:
        made.start(replace(bench.spec(7), name=f"tb-{run}-7")).remove()
        assert list(Path("/sys/fs/cgroup").glob(f"**/tarebench/{run}"))
    state.rmdir()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/tarebench/{run}"))


def test_boxes_that_start_at_once_do_not_meet(bench: Bench) -> None:
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        started = list(pool.map(bench.engine.start, [bench.spec(slot) for slot in range(10, 16)]))
        try:
            for instance in started:
                instance.agent.hello(10)
            hosts = {shell(one.agent, "busybox hostname").strip() for one in started}
            assert hosts == {one.spec.name for one in started}
        finally:
            list(pool.map(OciInstance.remove, started))
    assert [slot for slot in range(10, 16) if left_of(bench, slot)] == []


def test_an_address_that_is_taken_undoes_the_start(bench: Bench) -> None:
    with bench.box(slot=0):
        other = replace(bench.spec(5), lease=bench.bed.lease(0))
        with pytest.raises(RuntimeFault, match="join tb") as fault:
            bench.engine.start(other)
    assert "invoke clean" in fault.value.hint
    assert left_of(bench, 5) == []


def test_when_the_harness_is_gone_so_is_the_box(bench: Bench) -> None:
    instance = bench.engine.start(bench.spec(4))
    pids = instance.group.pids()
    try:
        assert pids
        instance.control.channel.shutdown(socket.SHUT_RDWR)  # as when our process ends
        assert instance.wait(10) == 128 + signal.SIGKILL
    finally:
        instance.remove()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_profiles_that_the_host_lacks_say_why(bench: Bench) -> None:
    lacking = [name for name in ("crun", "youki") if not runs(name)]
    for name in lacking:
        with (
            pytest.raises(RuntimeFault, match=r"hybrid|not installed") as fault,
            prepared(bench.site, frozenset({name})),
        ):
            pass
        assert fault.value.hint


def runs(profile: str) -> bool:
    """Whether the host has what a profile needs."""
    try:
        found = profiles.PROFILES[profile]
        return found.program == profiles.OURS or bool(profiles.program(found))
    except RuntimeFault:
        return False


@pytest.mark.parametrize("profile", ["crun", "youki", "ns"])
def test_other_runtimes_make_the_same_box(bench: Bench, profile: str) -> None:
    if not runs(profile):
        pytest.skip(f"{profile} does not run here: not installed, or it refuses these cgroups")
    state = bench.site.state.parent / profile
    state.mkdir()
    with prepared(replace(bench.site, state=state), frozenset({profile})) as made:
        instance = made.start(bench.spec(0, profile))
        try:
            instance.agent.hello(10)
            assert "0000000000000000" not in shell(instance.agent, "grep CapEff /proc/self/status")
        finally:
            instance.remove()
    shutil.rmtree(state)


def test_versions_name_the_runtime_and_its_library(bench: Bench) -> None:
    assert re.match(r"\d+\.\d+", bench.engine.versions["runc"])
    assert re.match(r"\d+\.\d+", bench.engine.versions["runc.libseccomp"])


@pytest.mark.parametrize("profile", ["default", "ns"])
def test_clean_removes_what_a_killed_run_left(bench: Bench, profile: str) -> None:
    site, run = bench.site, secrets.token_hex(3)
    state = site.state.parent / "killed"
    state.mkdir()
    with prepared(replace(site, run=run, state=state), frozenset({profile})) as made:
        instance = made.start(replace(bench.spec(6, profile), name=f"tb-{run}-6"))
        removed = OciRuntime().clean(state, run)
        assert any("container" in line or "cgroup" in line for line in removed)
        assert instance.wait(10) == 128 + signal.SIGKILL
        assert not state.exists()
        instance.remove()


def test_ns_runs_a_bundle_that_runc_specified(bench: Bench, tmp_path: Path) -> None:
    process.run(["runc", "spec"], timeout_s=10, cwd=tmp_path)
    path = tmp_path / bundle.CONFIG
    content = json.loads(path.read_text())
    content["root"]["path"] = str(bench.site.rootfs.directory)
    content["process"] |= {
        "terminal": False,
        "args": [
            "/bin/busybox",
            "sh",
            "-c",
            "id -u; hostname; grep CapEff /proc/self/status; ulimit -n; exit 7",
        ],
    }
    path.write_text(json.dumps(content))
    content["process"]["selinuxLabel"] = "s0"
    path.write_text(json.dumps(content))
    assert "$.process.selinuxLabel" in run_bundle(tmp_path)
    del content["process"]["selinuxLabel"]
    path.write_text(json.dumps(content))
    assert run_bundle(tmp_path).split() == [
        "0", "runc", "CapEff:", "0000000020000420", "1024", "[7]",
    ]  # fmt: skip


def run_bundle(directory: Path) -> str:
    """Output and status of ``python -m runtimes.standalone.oci run``."""
    root = ["--root", str(directory / "containers")]
    argv = [
        sys.executable,
        "-m",
        "runtimes.standalone.oci",
        *root,
        "run",
        "-b",
        str(directory),
        "tb-test",
    ]
    project = {"PYTHONPATH": str(Path(__file__).parents[2])}
    with process.spawn(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=project
    ) as child:
        assert child.stdout is not None
        text = child.stdout.read().decode()
    told = [line for line in text.splitlines() if not line.startswith("compiling ")]
    return "\n".join((*told, f"[{child.returncode}]"))
