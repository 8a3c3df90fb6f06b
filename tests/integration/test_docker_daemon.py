"""The private Docker daemon: its death, its restart, its leavings after a kill or an interrupt."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.prepare import testbed as wire  # by name, its Testbed would look like a test
from runtimes import process
from runtimes.agent.channel import AgentFault
from runtimes.base import Site
from runtimes.docker import layout, store, sweep
from runtimes.docker.engine import DockerEngine
from runtimes.docker.private import PrivateDaemon
from runtimes.faults import RuntimeFault
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.linux import proc
from tests.support.docker_boxes import RUNTIME, box, docker_ground, docker_site, marks
from tests.support.sites import held_testbed

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
def rootfs(site: Site) -> Rootfs:
    return site.rootfs


@pytest.fixture(scope="module")
def engine(site: Site) -> Iterator[DockerEngine]:
    with RUNTIME.prepare(site, frozenset({"default"})) as made:
        assert isinstance(made, DockerEngine)
        yield made
    assert not layout.runtime_directory(RUN).exists()
    assert list(site.state.iterdir()) == []


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
from harness.prepare.testbed import Testbed
from runtimes.base import *
from runtimes.resources import *
from runtimes.docker import DockerRuntime
from runtimes.images.rootfs.rootfs import Rootfs
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
    run = secrets.token_hex(3)
    with held_testbed(run) as bed:
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
        again = docker_site(run, tmp_path, rootfs, bed, progress=said.append)
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
    run = secrets.token_hex(3)
    progress = Interrupting(turn)
    with held_testbed(run) as bed:
        site = docker_site(run, tmp_path, rootfs, bed, progress=progress)
        with pytest.raises(KeyboardInterrupt), RUNTIME.prepare(site, frozenset()):
            pass
    assert len(progress.said) == turn
    assert not layout.runtime_directory(run).exists()
    inside = f"{layout.runtime_directory(run)}/"
    assert not proc.matching(lambda argv: any(inside in word for word in argv))
    assert RUNTIME.clean(tmp_path / "state", run) == []
