"""The life of a box between its start and its end: exec, signals, pause, logs, accounts."""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.launcher import Launcher, LaunchFault, Plan, Side, Step
from runtimes.launcher import operations as ops
from runtimes.launcher.instance import LOG_BYTES, LaunchedInstance
from runtimes.linux import cgroups, proc
from runtimes.linux.cgroups import devices
from runtimes.linux.cgroups.v1 import V1
from runtimes.process import TAIL_BYTES
from tests.support.ns_bench import Bench, opened_bench, shell

pytestmark = pytest.mark.root

RUN = secrets.token_hex(3)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with opened_bench(RUN, tmp_path_factory.mktemp("ns")) as opened:
        yield opened


def executed(bench: Bench, box: LaunchedInstance, script: str) -> tuple[int, str]:
    """Status and output of a script that is run beside the box's agent."""
    read, write = os.pipe()
    with os.fdopen(read) as output:
        try:
            program = bench.engine.execute(
                box, ["/bin/busybox", "sh", "-c", script], stdout=write, stderr=write
            )
        finally:
            os.close(write)
        return program.wait(10), output.read()


@pytest.mark.parametrize("profile", ["default", "no-userns", "host-net"])
def test_a_program_can_be_added_to_a_running_box(bench: Bench, profile: str) -> None:
    with bench.box(profile) as box:
        script = (
            "for n in /proc/self/ns/*; do readlink $n; done; cat /proc/self/cgroup; hostname; id -u"
        )
        status, added = executed(bench, box, script)
        assert status == 0
        assert added == shell(box, script)
        assert added.endswith(f"{box.spec.name}\n0\n")


def test_an_added_program_has_no_more_rights_than_the_box(bench: Bench) -> None:
    with bench.box() as box:
        _, added = executed(bench, box, "cat /proc/self/status; ls -l /proc/self/fd; pwd")
    for line in ("CapEff:\t00000000a80425fb", "CapBnd:\t00000000a80425fb", "NoNewPrivs:\t1",
                 "Seccomp:\t2"):  # fmt: skip
        assert line in added
    assert set(re.findall(r" (\d+) -> ", added)) == {"0", "1", "2"}
    assert added.endswith("/\n")


def test_an_added_program_ends_with_the_box(bench: Bench) -> None:
    with bench.box() as box:
        program = bench.engine.execute(box, ["/bin/busybox", "sleep", "60"])
        assert program.pid in box.stats().pids
        box.stop(5)
        assert program.wait(5) == 128 + signal.SIGKILL


def test_a_missing_program_is_refused_and_the_box_lives_on(bench: Bench) -> None:
    with bench.box() as box:
        with pytest.raises(LaunchFault, match="execute /missing: ENOENT"):
            bench.engine.execute(box, ["/missing"])
        assert shell(box, "echo alive") == "alive\n"


def test_the_launcher_is_back_in_its_own_namespaces_after_it(bench: Bench) -> None:
    with bench.box() as box:
        executed(bench, box, "true")
    for pid in bench.engine.launcher.pids():
        for kind in ("pid_for_children", "net"):
            ours = Path(f"/proc/self/ns/{kind}").readlink()
            assert Path(f"/proc/{pid}/ns/{kind}").readlink() == ours


def test_a_paused_box_does_nothing_and_goes_on_where_it_was(bench: Bench) -> None:
    with bench.box() as box:
        counting = "i=0; while :; do i=$((i+1)); echo $i >> /tmp/n; done"
        shell(box, f"({counting}) >/dev/null 2>&1 & sleep 0.2")
        box.pause()
        before = box.account().cpu_ns
        time.sleep(0.2)
        assert box.account().cpu_ns == before
        box.resume()
        first = int(shell(box, "sleep 0.1; grep -c . /tmp/n"))
        assert int(shell(box, "sleep 0.2; grep -c . /tmp/n")) > first > 0


def test_a_paused_box_can_be_stopped(bench: Bench) -> None:
    with bench.box() as box:
        box.pause()
        begun = time.monotonic()
        box.stop(timeout_s=20)
        assert time.monotonic() - begun < 10  # neither time limit was waited for


def test_a_signal_reaches_the_main_process(bench: Bench) -> None:
    with bench.box() as box:
        box.signal(signal.SIGTERM)
        box.wait(10)


def test_the_logs_are_what_the_main_process_said_and_go_with_the_box(bench: Bench) -> None:
    with bench.box() as box:
        with agents_error_output(box).open("ab") as file:
            file.write(b"said\n")
        assert box.logs() == b"said\n"
        box.stop(5)
        assert box.logs() == b"said\n"
        assert "said" in box.diagnostics()


def test_logs_that_a_box_has_stretched_are_not_read_whole(bench: Bench) -> None:
    with bench.box() as box:
        os.truncate(agents_error_output(box), 1 << 40)
        assert len(box.logs()) == LOG_BYTES
        assert len(box.diagnostics()) <= TAIL_BYTES


def agents_error_output(box: LaunchedInstance) -> Path:
    """As the host sees it; no job does."""
    (agent,) = (pid for pid in box.group.pids() if proc.program(proc.arguments(pid)) == "agent")
    return Path(f"/proc/{agent}/fd/2")


def test_the_account_tells_what_the_box_did(bench: Bench) -> None:
    with bench.box() as box:
        shell(box, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
        account = box.account()
    assert (account.cpu_ns or 0) > 1_000_000
    assert (account.memory_peak_bytes or 0) >= (account.memory_bytes or 0) > 0
    assert account.oom_kills == 0


def test_the_account_counts_what_the_memory_limit_killed(bench: Bench) -> None:
    with bench.box() as box:
        greedy = "x=; while :; do x=$x$(head -c 1000000 /dev/zero | tr '\\0' y); done"
        box.agent.run(["/bin/busybox", "sh", "-c", greedy], timeout_s=60)
        assert box.account().oom_kills > 0


def seen_through_descriptors(name: str) -> bool:
    """Whether a descriptor of ours is a directory with an entry ``name``."""
    return any((one / name).exists() for one in Path("/proc/self/fd").iterdir())


def test_the_overlay_outlives_the_box_until_it_is_removed(bench: Bench) -> None:
    """So that an end does not wait for the unmount, which syncs the disk."""
    with bench.box() as box:
        shell(box, "echo x > /made-inside")
        box.stop(5)
        assert seen_through_descriptors("made-inside")
    assert not seen_through_descriptors("made-inside")


def test_more_limits_are_set_and_read_back() -> None:
    hierarchy = cgroups.detect()
    bounds = cgroups.Bounds(
        (0,), 0.5, 32 << 20, cpu_weight=50, pids_max=7, devices=(cgroups.DeviceRule("c", 1, 3),)
    )
    if not isinstance(hierarchy, V1) or not {"pids", "devices"} <= set(hierarchy.mounts):
        pytest.skip("v1's pids and devices controllers are not mounted")
    hierarchy.prepare(RUN)
    creation = hierarchy.creation(RUN, "limits", bounds)
    group = hierarchy.group(RUN, "limits")
    cgroups.create(creation)
    try:
        values = {path.parents[2].name: path for path in creation.directories}
        assert (values["pids"] / "pids.max").read_text() == "7\n"
        assert (values["cpu"] / "cpu.shares").read_text() == "512\n"
        assert (values["devices"] / "devices.list").read_text() == "c 1:3 rwm\n"
        assert group.account().pids == 0
    finally:
        group.remove()
    assert not any(path.exists() for path in creation.directories)


def test_the_kernel_takes_the_device_program(bench: Bench) -> None:
    """On the unified mount, which hybrid hosts have too."""
    found = [point for point in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
             if (point / "cgroup.procs").exists()]  # fmt: skip
    if not found:
        pytest.skip("there is no cgroup2 mount")
    group = found[0] / f"tb-{RUN}-devices"
    rules = (cgroups.DeviceRule("c", 1, 3), cgroups.DeviceRule("c", 1, 5, "r"))
    launcher: Launcher = bench.engine.launcher
    group.mkdir()
    try:
        launcher.prepare(attached(group, rules))
        read, write = os.pipe()
        with os.fdopen(read) as output:
            script = "for d in null zero full; do head -c1 /dev/$d >/dev/null && echo $d r; done"
            steps = (
                Step(Side.LAUNCHER, "cloned", ops.Clone(0, str(group))),
                Step(Side.CHILD, "x", ops.Execute(("/bin/sh", "-c", script), (), init=False)),
            )
            ended = launcher.start(Plan(steps), stdout=write, stderr=os.open(os.devnull, 1))
            os.close(write)
            ended.wait(10)
            assert output.read() == "null r\nzero r\n"
    finally:
        group.rmdir()


def attached(group: Path, rules: tuple[cgroups.DeviceRule, ...]) -> Plan:
    return Plan((Step(Side.LAUNCHER, "x", ops.DeviceFilter(str(group), devices.program(rules))),))
