"""The containerd backend for real: its ends, failures and leavings."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtimes.base import InstanceSpec, Site
from runtimes.containerd import ContainerdRuntime, daemon
from runtimes.containerd.engine import ContainerdEngine, prepared
from runtimes.containerd.instance import ContainerdInstance
from runtimes.faults import RuntimeFault
from runtimes.linux.proc import readable
from tests.support.sites import LIMITS, Ground, ground, short_directory

pytestmark = pytest.mark.root
RUN = secrets.token_hex(3)


@dataclass(frozen=True)
class Bench(Ground):
    """What a test starts boxes with."""

    engine: ContainerdEngine

    @contextlib.contextmanager
    def box(self, slot: int = 0) -> Iterator[ContainerdInstance]:
        instance = self.engine.start(self.spec(slot))
        try:
            instance.agent.hello(10)
            yield instance
        finally:
            instance.remove()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with short_directory() as where, ground(ContainerdRuntime(), RUN, where) as made:
        with prepared(made.site, frozenset({"default"})) as engine:
            yield Bench(made.site, made.bed, engine)
        assert not daemon.directory_of(RUN).exists()
        assert daemon.sweep(daemon.directory_of(RUN)) == []


def test_the_shim_is_part_of_the_price_and_the_daemon_a_fixed_one(bench: Bench) -> None:
    with bench.box() as instance:
        names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in instance.stats().pids}
        fixed = {
            Path(f"/proc/{pid}/comm").read_text().strip() for pid in bench.engine.daemon_pids()
        }
    assert names == {"agent", "containerd-shim"}
    assert "containerd" in fixed


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


def test_a_box_whose_client_died_is_removed_all_the_same(bench: Bench) -> None:
    with bench.box(slot=1) as instance:
        shim = os.pidfd_open(instance.shim)
        instance.client.kill()
        instance.client.wait()
    try:
        assert readable(shim, 5.0)  # it ends when its last container is forgotten
    finally:
        os.close(shim)
    with bench.box(slot=1):  # its name is free again
        pass


def test_a_start_that_fails_says_why_and_leaves_nothing(bench: Bench) -> None:
    file = bench.site.rootfs.directory / "opt/tarebench/agent"
    file.chmod(0o644)
    try:
        with pytest.raises(RuntimeFault, match="did not start") as fault:
            bench.engine.start(bench.spec(3))
    finally:
        file.chmod(0o755)
    assert "permission denied" in fault.value.tail.lower()
    assert not (bench.site.state / bench.spec(3).name).exists()


def test_roots_are_mounted_out_of_the_hosts_sight_and_unmounted(bench: Bench) -> None:
    with bench.box(slot=2):
        inside = Path(f"/proc/{bench.engine.daemon.child.pid}/mountinfo").read_text()
        assert f"{bench.spec(2).name}/rootfs" in inside
        assert str(bench.site.state) not in Path("/proc/self/mountinfo").read_text()
    after = Path(f"/proc/{bench.engine.daemon.child.pid}/mountinfo").read_text()
    assert f"{bench.spec(2).name}/rootfs" not in after


def test_clean_ends_the_daemon_of_a_killed_run(bench: Bench) -> None:
    run = secrets.token_hex(3)
    site = Site(run, bench.site.state.parent / "killed", bench.site.cache, bench.site.rootfs,
                bench.bed, LIMITS, lambda _: None)  # fmt: skip
    with prepared(site, frozenset({"default"})) as made:
        spec = InstanceSpec(f"tb-{run}-9", "default", LIMITS, bench.bed.lease(9))
        instance = made.start(spec)
        removed = ContainerdRuntime().clean(site.state, run)
        assert any("containerd" in line for line in removed)
        assert instance.wait(10) >= 128 or instance.client.returncode
        assert not daemon.directory_of(run).exists()
        instance.remove()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/tarebench/{run}"))
