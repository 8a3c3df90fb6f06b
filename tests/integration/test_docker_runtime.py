"""The Docker backend against a real dockerd: its own, and one that stands for the user's."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import signal
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import testbed as wire  # by name, its Testbed would look like a test
from runtimes import netns, proc, process
from runtimes.agent import AgentFault
from runtimes.base import BOX_PORT, LABEL, InstanceSpec, Limits, RuntimeFault, Site
from runtimes.docker import DockerRuntime, api, layout, locate, store, sweep
from runtimes.docker.engine import DockerEngine
from runtimes.docker.instance import DockerInstance
from runtimes.docker.private import PrivateDaemon
from runtimes.images.rootfs import Rootfs
from tests.support.tiny_rootfs import missing, tiny_rootfs

docker = pytest.importorskip("docker", reason="the Docker SDK is not installed")

RUNTIME = DockerRuntime()
RUN = "d0c4e5"
LIMITS = Limits(cpus=(0,), cpu_quota=0.5, memory_bytes=192 << 20)
HELLO_S = 20.0


def _why_not() -> str:
    if os.geteuid() != 0:
        return "only root may start a Docker daemon"
    availability = RUNTIME.availability({locate.OPTION: locate.PRIVATE})
    return "" if availability.ok else availability.reason


pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(_why_not()), reason=_why_not()),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Rootfs:
    return tiny_rootfs(tmp_path_factory.mktemp("rootfs"))


@pytest.fixture(scope="module")
def bed() -> Iterator[wire.Testbed]:
    with wire.testbed(RUN) as made:
        yield made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, rootfs: Rootfs, bed: wire.Testbed) -> Site:
    home = tmp_path_factory.mktemp("docker")
    return Site(
        run=RUN,
        state=home / "state",
        cache=home / "cache",
        rootfs=rootfs,
        network=bed,
        limits=LIMITS,
        progress=lambda _: None,
        options={locate.OPTION: locate.PRIVATE},
    )


@pytest.fixture(scope="module")
def engine(site: Site) -> Iterator[DockerEngine]:
    with RUNTIME.prepare(site, frozenset({"default"})) as made:
        assert isinstance(made, DockerEngine)
        yield made
    assert_nothing_left()
    assert list(site.state.iterdir()) == []


@contextlib.contextmanager
def box(
    engine: DockerEngine, bed: wire.Testbed, slot: int = 0, profile: str = "default"
) -> Iterator[DockerInstance]:
    spec = InstanceSpec(f"tb-{engine.run}-{slot}", profile, LIMITS, bed.lease(slot))
    instance = engine.start(spec)
    try:
        instance.agent.hello(HELLO_S)
        yield instance
        instance.stop(5)
    finally:
        instance.remove()


def fetch(bed: wire.Testbed, address: tuple[str, int]) -> bytes:
    url = f"http://{address[0]}:{address[1]}/rootfs.digest"

    def get() -> bytes:
        with urllib.request.urlopen(url, timeout=5) as answer:  # our own server
            return bytes(answer.read())

    return netns.inside(bed.peer_netns, get)


def assert_nothing_left() -> None:
    directory = layout.runtime_directory(RUN)
    assert not directory.exists()
    assert not proc.matching(lambda argv: any(str(directory) in word for word in argv))
    assert not list(Path("/sys/fs/cgroup").glob(f"*/tarebench/{RUN}"))
    assert str(directory) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("profile", ["default", "host-net", "no-seccomp"])
def test_a_box_of_each_profile_serves_the_peer(
    engine: DockerEngine, bed: wire.Testbed, site: Site, profile: str
) -> None:
    with box(engine, bed, profile=profile) as instance:
        job = instance.agent.spawn(
            ["sh", "-c", f"httpd -p {BOX_PORT} -h /opt/tarebench && echo up; cat"], timeout_s=30
        )
        job.expect(b"up", 10)
        assert fetch(bed, instance.address()).decode().strip() == site.rootfs.digest


def test_what_the_box_is_made_from_is_read_back_and_seen_inside(
    engine: DockerEngine, bed: wire.Testbed, site: Site
) -> None:
    assert engine.bits()["rootfs"] == site.rootfs.digest
    with box(engine, bed) as instance:
        assert instance.agent.facts()["rootfs_digest"] == site.rootfs.digest
        path = "/opt/tarebench/agent"
        assert instance.agent.digest(path) == site.rootfs.programs[path]


def test_the_limits_that_were_asked_for_are_enforced(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    with box(engine, bed) as instance:
        read = instance.limits()
        assert read.cpus == LIMITS.cpus
        assert read.cpu_quota == pytest.approx(LIMITS.cpu_quota)
        assert read.memory_bytes == LIMITS.memory_bytes


def test_the_stats_name_the_agent_its_shim_and_its_port_proxy(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    with box(engine, bed) as instance, box(engine, bed, slot=1) as other:
        stats = instance.stats()
        programs = sorted(proc.program(proc.arguments(pid)) for pid in stats.pids)
        assert programs == ["agent", "containerd-shim-runc-v2", "docker-proxy"]
        assert not set(stats.pids) & set(other.stats().pids)
        assert not set(stats.pids) & set(engine.daemon_pids())
        assert stats.cgroup_memory_bytes is not None
        assert stats.cgroup_cpu_ns is not None
        before = stats.disk_bytes
        instance.agent.run(["sh", "-c", "cat /bin/busybox > /tmp/copy"], timeout_s=10)
        assert instance.stats().disk_bytes >= before + Path("/bin/busybox").stat().st_size


def test_no_descriptor_of_ours_reaches_the_box(engine: DockerEngine, bed: wire.Testbed) -> None:
    """dockerd inherits the lock on its data root; a box must not."""
    with box(engine, bed) as instance:
        listed = instance.agent.run(["sh", "-c", "ls -l /proc/1/fd"], timeout_s=10)
        assert listed.status == 0
        assert b"lock" not in listed.stdout


def test_the_marks_are_in_order(engine: DockerEngine, bed: wire.Testbed) -> None:
    with box(engine, bed) as instance:
        instance.limits()
        marks = instance.marks
        assert marks["created"] < marks["attached"] < marks["started"]


def test_its_own_end_is_seen_with_its_status(engine: DockerEngine, bed: wire.Testbed) -> None:
    with box(engine, bed) as instance:
        with pytest.raises(TimeoutError):
            instance.wait(0.05)
        instance.agent.quit()
        assert instance.wait(20) == 0
        assert "ExitCode=0" in instance.diagnostics()


def test_stop_ends_the_box_and_remove_may_be_repeated(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    with box(engine, bed) as instance:
        pids = instance.stats().pids
        instance.stop(5)
        assert instance.wait(1) == 143
        instance.remove()
        instance.remove()
        # No argv is left, even where the host's init has not taken the zombie yet.
        assert [pid for pid in pids if proc.arguments(pid)] == []
        with pytest.raises(RuntimeFault):
            instance.stats()


def test_a_box_that_does_not_listen_is_killed_after_the_time(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    with box(engine, bed) as instance:
        main = next(
            pid for pid in instance.stats().pids if proc.program(proc.arguments(pid)) == "agent"
        )
        os.kill(main, signal.SIGSTOP)
        instance.stop(1)
        assert instance.wait(5) == 128 + signal.SIGKILL


def test_a_box_whose_memory_runs_out_says_so(engine: DockerEngine, bed: wire.Testbed) -> None:
    """The job is killed at the limit that was set, not the host's."""
    with box(engine, bed) as instance:
        eat = "x=0123456789abcdef; while :; do x=$x$x; done"
        result = instance.agent.run(["sh", "-c", eat], timeout_s=60)
        assert result.status in {-signal.SIGKILL, 1, 2}
        peak = instance.stats().cgroup_memory_peak_bytes
        assert peak is not None
        assert peak <= LIMITS.memory_bytes


def test_a_box_whose_harness_hangs_up_ends_by_itself(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    with box(engine, bed) as instance:
        instance._identify()
        instance.stream.close()
        assert instance.wait(20) is not None


def test_a_name_that_is_taken_is_a_clear_fault_and_harms_nobody(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    with box(engine, bed) as instance:
        with pytest.raises(RuntimeFault, match="already in use"):
            engine.start(instance.spec)
        assert instance.agent.run(["echo", "here"], timeout_s=5).stdout == b"here\n"


def test_a_port_that_is_taken_leaves_no_container_behind(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    with box(engine, bed) as instance:
        twin = InstanceSpec("tb-d0c4e5-twin", "default", LIMITS, instance.spec.lease)
        with pytest.raises(RuntimeFault, match=r"allocated|in use"):
            engine.start(twin)
    names = engine.client.containers(all=True, filters={"name": "tb-d0c4e5-twin"})
    assert names == []


# The SDK leaves a socket to the garbage collector when nobody listens on the other side.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")
def test_a_daemon_that_dies_in_mid_run_fails_the_trial_and_serves_the_next(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    with contextlib.suppress(RuntimeFault), box(engine, bed, slot=2) as instance:
        instance.stats()
        os.kill(engine.daemon_pids()[0], signal.SIGKILL)
        with pytest.raises((AgentFault, RuntimeFault)):
            instance.agent.run(["sleep", "20"], timeout_s=5)
        assert "gone" in instance.diagnostics()
    with box(engine, bed, slot=3) as instance:
        assert instance.agent.run(["echo", "again"], timeout_s=5).stdout == b"again\n"
    gc.collect()


@pytest.mark.usefixtures("engine")
def test_another_run_at_the_same_time_has_a_data_root_of_its_own(site: Site) -> None:
    said: list[str] = []
    state = site.state.parent / "second"
    second = dataclasses.replace(site, progress=said.append, state=state)
    with store.data_root(second) as (root, lock):
        assert lock is None
        assert root.is_relative_to(second.state)
    assert "another run" in said[0]


KILLED = """
import sys, pathlib
from harness.testbed import Testbed
from runtimes.base import *
from runtimes.docker import DockerRuntime
from runtimes.images.rootfs import Rootfs
home, archive, digest, run = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]
host, peer = (pathlib.Path(f"/run/netns/tb-{run}-{side}") for side in ("host", "peer"))
bed = Testbed(run, host, peer)
limits = Limits((0,), 0.5, 192 << 20)
site = Site(run, home / "state", home / "cache", Rootfs(digest, home, archive, {}, {}, 1, "amd64"),
            bed, limits, lambda _: None, {"docker_host": "private"})
with DockerRuntime().prepare(site, frozenset({"default"})) as engine:
    instance = engine.start(InstanceSpec(f"tb-{run}-9", "default", limits, bed.lease(9)))
    instance.agent.hello(20)
    print("up", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_run_left_is_cleaned_and_its_images_are_found_again(
    tmp_path: Path, rootfs: Rootfs
) -> None:
    run = "d0c4e6"
    with wire.testbed(run) as bed:
        arguments = [str(tmp_path), str(rootfs.archive), rootfs.digest, run]
        child = process.spawn(
            [sys.executable, "-c", KILLED, *arguments],
            stdin=-1,
            stdout=-1,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"up\n"
        child.kill()
        child.wait(10)
        child.stdin.close()
        child.stdout.close()
        assert layout.runtime_directory(run).exists()
        removed = RUNTIME.clean(tmp_path / "state", run)
        assert any("dockerd" in line for line in removed)
        assert any("containerd" in line for line in removed)
        assert RUNTIME.clean(tmp_path / "state", run) == []
        inside = f"{layout.runtime_directory(run)}/"
        assert not proc.matching(lambda argv: any(inside in word for word in argv))
        assert not list(Path("/sys/fs/cgroup").glob(f"*/tarebench/{run}"))
        said: list[str] = []
        again = Site(
            run=run,
            state=tmp_path / "state",
            cache=tmp_path / "cache",
            rootfs=rootfs,
            network=bed,
            limits=LIMITS,
            progress=said.append,
            options={locate.OPTION: locate.PRIVATE},
        )
        with RUNTIME.prepare(again, frozenset()) as engine:
            assert engine.bits()["rootfs"] == rootfs.digest
        assert not [words for words in said if "import" in words], "the image was there"


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")  # as above
def test_a_restart_leaves_neither_shims_nor_their_sockets(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    with contextlib.suppress(RuntimeFault), box(engine, bed, slot=4) as instance:
        shims = [proc.arguments(pid) for pid in instance.stats().pids]
        shims = [argv for argv in shims if "shim" in proc.program(argv)]
        assert [sweep.shim_socket(argv).is_socket() for argv in shims] == [True]
        assert isinstance(engine.daemon, PrivateDaemon)
        engine.daemon.stop(run_goes_on=True)
        assert not proc.matching(lambda argv: argv in shims)
        assert not sweep.shim_socket(shims[0]).exists()
        instance.stop(1)
    engine.daemon.restart()
    with box(engine, bed, slot=5) as instance:
        assert instance.agent.run(["echo", "again"], timeout_s=5).stdout == b"again\n"
    gc.collect()


class Interrupting:
    """Progress that is interrupted, as by Ctrl-C, at its ``turn``-th message."""

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.said: list[str] = []

    def __call__(self, words: str) -> None:
        self.said.append(words)
        if len(self.said) == self.turn:
            raise KeyboardInterrupt


@pytest.mark.parametrize("turn", [1, 2])
def test_an_interrupt_while_preparing_leaves_nothing(
    tmp_path: Path, rootfs: Rootfs, turn: int
) -> None:
    run = "d0c4e9"
    progress = Interrupting(turn)
    with wire.testbed(run) as bed:
        site = Site(
            run=run,
            state=tmp_path / "state",
            cache=tmp_path / "cache",
            rootfs=rootfs,
            network=bed,
            limits=LIMITS,
            progress=progress,
            options={locate.OPTION: locate.PRIVATE},
        )
        with pytest.raises(KeyboardInterrupt), RUNTIME.prepare(site, frozenset()):
            pass
    assert len(progress.said) == turn
    assert not layout.runtime_directory(run).exists()
    inside = f"{layout.runtime_directory(run)}/"
    assert not proc.matching(lambda argv: any(inside in word for word in argv))
    assert RUNTIME.clean(tmp_path / "state", run) == []


class Uplinked(wire.Testbed):
    """A testbed whose host side stands for the host's own namespace: tests keep out of that."""

    def root_uplink(self) -> str:
        return self.host_address


USERS = "d0c4e7"
GUEST = "d0c4e8"


@pytest.fixture
def users_daemon(tmp_path: Path) -> Iterator[tuple[PrivateDaemon, wire.Testbed]]:
    with wire.testbed(USERS) as made:
        paths = layout.Layout(run=USERS, state=tmp_path, data_root=tmp_path / "data")
        daemon = PrivateDaemon(paths, made.host_netns, made.mtu, None)
        bed = Uplinked(made.run, made.host_netns, made.peer_netns)
        try:
            daemon.start()
            yield daemon, bed
        finally:
            daemon.stop()


def everything(client: api.Client) -> tuple[set[str], set[str], set[str]]:
    """Names of all containers, networks and images that a daemon has, with their states."""
    containers = {
        f"{api.text(entry, 'Id')} {api.text(entry, 'State')}"
        for entry in api.items(client.containers(all=True, filters={}))
    }
    networks = {api.text(entry, "Id") for entry in api.items(client.networks(filters={}))}
    images = {api.text(entry, "Id") for entry in api.items(client.images(filters={}))}
    return containers, networks, images


def test_a_users_daemon_is_used_and_nothing_of_the_users_is_touched(
    users_daemon: tuple[PrivateDaemon, wire.Testbed], rootfs: Rootfs, tmp_path: Path
) -> None:
    daemon, bed = users_daemon
    users = docker.APIClient(base_url=daemon.address)
    users.import_image_from_file(str(rootfs.archive), repository="users", tag="own")
    users.create_network("users-network", driver="bridge")
    sleeping = {"Image": "users:own", "Cmd": ["/bin/sleep", "600"], "StopSignal": "SIGKILL"}
    kept = [users.create_container_from_config(sleeping, "users-box")]
    # Another run's box, of ours but not of this run: as little to be touched.
    labelled = {**sleeping, "Labels": {LABEL: "aaaaaa"}}
    kept.append(users.create_container_from_config(labelled, "tb-aaaaaa-1"))
    for container in kept:
        users.start(container)
    site = Site(
        run=GUEST,
        state=tmp_path / "state",
        cache=tmp_path / "cache",
        rootfs=rootfs,
        network=bed,
        limits=LIMITS,
        progress=lambda _: None,
        options={locate.OPTION: daemon.address},
    )
    client = api.connect(daemon.address)
    before = everything(client)
    with RUNTIME.prepare(site, frozenset({"default"})) as engine:
        assert isinstance(engine, DockerEngine)
        assert set(engine.daemon_pids()) == set(daemon.pids())
        with box(engine, bed) as instance:
            serve = f"httpd -p {BOX_PORT} -h /opt/tarebench && echo up; cat"
            instance.agent.spawn(["sh", "-c", serve], timeout_s=30).expect(b"up", 10)
            assert fetch(bed, instance.address()).decode().strip() == rootfs.digest
        forgotten = InstanceSpec(f"tb-{GUEST}-5", "default", LIMITS, bed.lease(5))
        lost = engine.start(forgotten)
        lost.agent.hello(HELLO_S)
        assert RUNTIME.clean(site.state, GUEST) == [f"container {lost.identifier[:12]}"]
        lost.remove()
    containers, networks, images = everything(client)
    assert (containers, networks) == before[:2]
    assert images - before[2] == {engine.image.identifier}, "our image is kept, for the next run"
    assert daemon.alive()
    with RUNTIME.prepare(site, frozenset()) as again:
        assert again.bits()["image"] == engine.image.identifier
    client.close()
    users.close()
