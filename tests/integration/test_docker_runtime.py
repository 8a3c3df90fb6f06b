"""Boxes of the Docker backend against a real dockerd of its own."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.prepare import testbed as wire  # by name, its Testbed would look like a test
from runtimes.base import InstanceSpec, Site
from runtimes.conventions import BOX_PORT
from runtimes.docker import layout
from runtimes.docker.engine import DockerEngine
from runtimes.faults import RuntimeFault
from runtimes.linux import netns, proc
from tests.support.docker_boxes import LIMITS, RUNTIME, box, docker_ground, fetch, marks
from tests.support.offloads import of_a_plain_pair, offloads

RUN = secrets.token_hex(3)
pytest.importorskip("docker", reason="the Docker SDK is not installed")
pytestmark = marks


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, wire.Testbed]]:
    with docker_ground(RUN, tmp_path_factory.mktemp("docker")) as made:
        yield made


@pytest.fixture(scope="module")
def site(ground: tuple[Site, wire.Testbed]) -> Site:
    return ground[0]


@pytest.fixture(scope="module")
def bed(ground: tuple[Site, wire.Testbed]) -> wire.Testbed:
    return ground[1]


@pytest.fixture(scope="module")
def engine(site: Site) -> Iterator[DockerEngine]:
    with RUNTIME.prepare(site, frozenset({"default"})) as made:
        assert isinstance(made, DockerEngine)
        yield made
    assert_nothing_left()
    assert list(site.state.iterdir()) == []


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
        assert read.pids_max == LIMITS.pids_max


def test_a_boxs_interface_has_the_offloads_of_a_plain_pair(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    """As ``ns`` has it: see test_ns_network."""
    with box(engine, bed) as instance:
        pids = instance.stats().pids
        (agent,) = (pid for pid in pids if proc.program(proc.arguments(pid)) == "agent")
        inside = Path(f"/proc/{agent}/ns/net")
        assert netns.inside(inside, lambda: offloads("eth0")) == of_a_plain_pair(bed.host_netns)


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
        (agent,) = (
            pid for pid in instance.stats().pids if proc.program(proc.arguments(pid)) == "agent"
        )
        own = [str(link.readlink()) for link in Path(f"/proc/{agent}/fd").iterdir()]
        assert len(own) > 3
        assert not [target for target in own if "lock" in target]


def test_a_job_does_not_write_into_the_attach_stream(
    engine: DockerEngine, bed: wire.Testbed
) -> None:
    """The container's standard output is the agent's channel, and a pipe that could be opened."""
    with box(engine, bed) as instance:
        script = "for fd in 0 1 2; do echo GET / >/proc/1/fd/$fd; done; cat /proc/1/mem"
        tried = instance.agent.run(["sh", "-c", script], timeout_s=10)
        assert tried.stderr.count(b"Permission denied") == 4, tried.stderr
        assert instance.agent.run(["sh", "-c", "true"], timeout_s=10).status == 0


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
        twin = InstanceSpec(f"tb-{RUN}-twin", "default", LIMITS, instance.spec.lease)
        with pytest.raises(RuntimeFault, match=r"allocated|in use"):
            engine.start(twin)
    names = engine.client.containers(all=True, filters={"name": f"tb-{RUN}-twin"})
    assert names == []


# The SDK leaves a socket to the garbage collector when nobody listens on the other side.
