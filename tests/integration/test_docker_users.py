"""The Docker backend at a daemon that stands for the user's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.prepare import testbed as wire  # by name, its Testbed would look like a test
from runtimes.base import InstanceSpec
from runtimes.conventions import BOX_PORT, LABEL
from runtimes.docker import api, layout
from runtimes.docker.engine import DockerEngine
from runtimes.docker.private import PrivateDaemon
from runtimes.images.rootfs.rootfs import Rootfs
from tests.support.docker_boxes import HELLO_S, LIMITS, RUNTIME, box, docker_site, fetch, marks
from tests.support.sites import held_testbed
from tests.support.tiny_rootfs import tiny_rootfs

docker = pytest.importorskip("docker", reason="the Docker SDK is not installed")

pytestmark = marks


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Rootfs:
    return tiny_rootfs(tmp_path_factory.mktemp("rootfs"))


class Uplinked(wire.Testbed):
    """A testbed whose host side stands for the host's own namespace: tests keep out of that."""

    def root_uplink(self) -> str:
        return self.host_address


USERS = secrets.token_hex(3)
GUEST = secrets.token_hex(3)


@pytest.fixture
def users_daemon(tmp_path: Path) -> Iterator[tuple[PrivateDaemon, wire.Testbed]]:
    with held_testbed(USERS) as made:
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
    site = docker_site(GUEST, tmp_path, rootfs, bed, daemon=daemon.address)
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
