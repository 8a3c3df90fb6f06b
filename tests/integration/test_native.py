"""The native arm for real: no box, but the same bits, the same limits and a clean end."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.base import InstanceSpec, Site
from runtimes.conventions import BOX_PORT
from runtimes.launcher.instance import LaunchedInstance
from runtimes.linux import cgroups
from runtimes.native import NativeEngine, NativeRuntime, peer_agent
from runtimes.resources import Limits
from tests.support.sites import held_testbed
from tests.support.tiny_rootfs import missing, tiny_rootfs

pytestmark = pytest.mark.root

RUN = secrets.token_hex(3)
LIMITS = Limits((0,), 0.5, 64 << 20)
SHELL = ["/bin/busybox", "sh", "-c"]


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    root_needed: None,  # noqa: ARG001  # order only
) -> Iterator[Site]:
    why = NativeRuntime().availability({})
    if not why.ok:
        pytest.skip(f"native cannot run here: {why.reason}")
    if missing():
        pytest.skip(missing())
    where = tmp_path_factory.mktemp("native")
    with held_testbed(RUN) as bed:
        yield Site(
            run=RUN,
            state=where / "state",
            cache=where / "cache",
            rootfs=tiny_rootfs(where / "rootfs"),
            network=bed,
            limits=LIMITS,
            progress=lambda _: None,
        )


@pytest.fixture(scope="module")
def engine(site: Site) -> Iterator[NativeEngine]:
    with NativeRuntime().prepare(site, frozenset({"default"})) as prepared:
        assert isinstance(prepared, NativeEngine)
        yield prepared


@pytest.fixture
def instance(site: Site, engine: NativeEngine) -> Iterator[LaunchedInstance]:
    lease = site.network.lease(0)  # type: ignore[attr-defined]  # the real testbed has it
    started = engine.start(InstanceSpec(f"tb-{RUN}-0", "default", LIMITS, lease))
    try:
        started.agent.hello(10)
        yield started
    finally:
        started.remove()


def test_only_the_mount_ipc_and_network_namespaces_differ(
    instance: LaunchedInstance, site: Site
) -> None:
    facts = instance.agent.facts()
    for kind in ("pid", "user", "uts", "cgroup"):
        assert facts[f"ns.{kind}"] == str(Path(f"/proc/self/ns/{kind}").stat().st_ino), kind
    assert facts["ns.net"] == str(site.network.host_netns.stat().st_ino)
    for kind in ("mnt", "ipc"):
        assert facts[f"ns.{kind}"] != str(Path(f"/proc/self/ns/{kind}").stat().st_ino), kind
    assert facts["rootfs_digest"] == site.rootfs.digest


def test_the_root_filesystem_cannot_be_written_but_scratch_can(
    instance: LaunchedInstance,
) -> None:
    done = instance.agent.run([*SHELL, "echo > /etc/x"], timeout_s=5)
    assert done.status != 0
    done = instance.agent.run([*SHELL, "echo ok > /tmp/x; echo ok > /run/x"], timeout_s=5)
    assert done.status == 0, done.stderr


def test_what_it_shares_in_memory_is_not_the_hosts(instance: LaunchedInstance) -> None:
    name = f"tb-{RUN}-shared"
    done = instance.agent.run([*SHELL, f"echo > /dev/shm/{name}"], timeout_s=5)
    assert done.status == 0, done.stderr
    assert not Path("/dev/shm", name).exists()  # the host's, as it really is


def test_the_limits_are_those_of_a_box(instance: LaunchedInstance) -> None:
    read, facts = instance.limits(), instance.agent.facts()
    assert (read.cpus, read.cpu_quota, read.memory_bytes) == ((0,), 0.5, 64 << 20)
    assert read.pids_max == 2048
    assert facts["affinity"] == "0"
    assert int(facts["cgroup_memory_max_bytes"]) == 64 << 20


def test_memory_beyond_the_limit_is_killed(instance: LaunchedInstance) -> None:
    greedy = "x=; while :; do x=$x$(head -c 1000000 /dev/zero | tr '\\0' y); done"
    done = instance.agent.run([*SHELL, greedy], timeout_s=60)
    assert done.status == -signal.SIGKILL


def test_processes_that_left_the_agent_are_ended_with_it(instance: LaunchedInstance) -> None:
    instance.agent.run(
        [*SHELL, "(trap '' TERM HUP; setsid sleep 1000) >/dev/null 2>&1 &"], timeout_s=5
    )
    pids = instance.stats().pids
    assert len(pids) >= 2
    instance.stop(timeout_s=2)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_frozen_processes_stand_still_until_thawed(instance: LaunchedInstance) -> None:
    instance.agent.run([*SHELL, "while :; do :; done >/dev/null 2>&1 &"], timeout_s=5)
    instance.group.freeze()
    first = instance.group.cpu_ns()
    for _ in range(20):
        os.sched_yield()
    assert instance.group.cpu_ns() == first
    instance.group.thaw()
    assert instance.agent.run([*SHELL, "true"], timeout_s=10).status == 0


def test_the_peer_reaches_it_on_the_host_side(instance: LaunchedInstance, site: Site) -> None:
    assert instance.address() == (site.network.host_address, BOX_PORT)


def test_a_peer_agent_runs_in_the_peers_namespace_on_its_own_cpus(
    engine: NativeEngine,
    site: Site,
) -> None:
    with peer_agent(site, (1,)) as agent:
        facts = agent.facts()
        assert facts["ns.net"] == str(site.network.peer_netns.stat().st_ino)
        assert facts["affinity"] == "1"
        assert "cgroup_memory_max_bytes" not in facts
        assert agent.run([*SHELL, "true"], timeout_s=5).status == 0
    lease = site.network.lease(0)  # type: ignore[attr-defined]  # the real testbed has it
    engine.start(InstanceSpec(f"tb-{RUN}-0", "default", LIMITS, lease)).remove()
    assert not list(site.state.glob(f"tb-{RUN}-peer*"))


def mounts_and_descriptors(site: Site) -> tuple[int, int]:
    """Mounts on the site's directories (others come and go), and descriptors of this process."""
    mounts = Path("/proc/self/mountinfo").read_text().count(str(site.state.parent))
    return mounts, len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_of_it(site: Site, engine: NativeEngine) -> None:
    lease = site.network.lease(1)  # type: ignore[attr-defined]  # the real testbed has it
    before = mounts_and_descriptors(site)
    for number in range(10):
        engine.start(InstanceSpec(f"tb-{RUN}-{number}", "aa", LIMITS, lease)).remove()
    assert mounts_and_descriptors(site) == before
    assert list(site.state.iterdir()) == []
    points = set((cgroups.detect().controllers or {"": Path("/sys/fs/cgroup")}).values())
    assert [path for point in points for path in point.glob(f"tarebench/{RUN}/tb-*")] == []
