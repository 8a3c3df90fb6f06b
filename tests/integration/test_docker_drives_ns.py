"""A Docker daemon whose OCI runtime is ``ns``: what people do with a container works."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.docker import layout
from runtimes.docker.private import PrivateDaemon
from runtimes.standalone.oci.command.install import install
from tests.support.docker_boxes import marks
from tests.support.sites import held_testbed
from tests.support.tiny_rootfs import tiny_rootfs

docker = pytest.importorskip("docker", reason="the Docker SDK is not installed")

pytestmark = marks
RUN = secrets.token_hex(3)
NAME = "tarebench"
RELOAD_S = 10.0


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[docker.APIClient]:
    """At a daemon that knows our runtime, with an image."""
    home = tmp_path_factory.mktemp("drives")
    rootfs = tiny_rootfs(home / "rootfs")
    program = home / "tarebench-ns"
    with pytest.MonkeyPatch.context() as environment, held_testbed(RUN) as bed:
        environment.setenv("TAREBENCH_STATE", str(home / "ns"))
        install(program)
        paths = layout.Layout(run=RUN, state=home, data_root=home / "data")
        daemon = PrivateDaemon(paths, bed.host_netns, bed.mtu, None)
        try:
            daemon.start()
            learn(daemon, program)
            with_images = docker.APIClient(base_url=daemon.address)
            with_images.import_image_from_file(str(rootfs.archive), repository="tiny", tag="1")
            yield with_images
            with_images.close()
        finally:
            daemon.stop()


def learn(daemon: PrivateDaemon, program: Path) -> None:
    """Add the runtime to the daemon's configuration, which it reads again when told."""
    file = daemon.layout.directory / "daemon.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps({**known, "runtimes": {NAME: {"path": str(program)}}}))
    client = docker.APIClient(base_url=daemon.address)
    os.kill(daemon.dockerd_pid(), signal.SIGHUP)
    end = time.monotonic() + RELOAD_S
    while NAME not in client.info()["Runtimes"]:
        assert time.monotonic() < end, "dockerd did not take the runtime"
        time.sleep(0.05)  # it tells nobody when it has read it
    client.close()


def created(client: docker.APIClient, *argv: str, mem_limit: int = 0) -> str:
    config = client.create_host_config(runtime=NAME, network_mode="none", mem_limit=mem_limit)
    made = client.create_container("tiny:1", [*argv], host_config=config, detach=True)
    return str(made["Id"])


def ran(client: docker.APIClient, *argv: str, mem_limit: int = 0) -> tuple[int, str]:
    """Status and output of a container that runs to its end."""
    container = created(client, *argv, mem_limit=mem_limit)
    try:
        client.start(container)
        status = client.wait(container, timeout=60)["StatusCode"]
        return int(status), client.logs(container).decode()
    finally:
        client.remove_container(container, force=True)


def test_a_command_runs_with_its_output_and_its_status(client: docker.APIClient) -> None:
    assert ran(client, "/bin/busybox", "sh", "-c", "echo out; exit 7") == (7, "out\n")


def test_the_limits_that_docker_asked_for_are_enforced(client: docker.APIClient) -> None:
    script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max"
    _, told = ran(client, "/bin/busybox", "sh", "-c", f"busybox {script}", mem_limit=64 << 20)
    assert str(64 << 20) in told


def test_dockers_own_filter_and_capabilities_hold(client: docker.APIClient) -> None:
    status, told = ran(
        client, "/bin/busybox", "sh", "-c", "busybox grep -E '^(CapEff|Seccomp):' /proc/self/status"
    )
    assert status == 0
    assert "CapEff:\t00000000a80425fb" in told
    assert "Seccomp:\t2" in told


def test_a_container_that_runs_is_entered_paused_resumed_and_killed(
    client: docker.APIClient,
) -> None:
    container = created(client, "/bin/busybox", "sleep", "600")
    try:
        client.start(container)
        entered = client.exec_create(container, ["/bin/busybox", "echo", "inside"])
        assert client.exec_start(entered["Id"]) == b"inside\n"
        assert client.exec_inspect(entered["Id"])["ExitCode"] == 0
        client.pause(container)
        assert client.inspect_container(container)["State"]["Status"] == "paused"
        client.unpause(container)
        client.kill(container, signal.SIGKILL)
        assert client.wait(container, timeout=30)["StatusCode"] == 128 + signal.SIGKILL
    finally:
        client.remove_container(container, force=True)


def test_a_program_that_is_not_there_is_told_as_docker_tells_it(client: docker.APIClient) -> None:
    container = created(client, "/bin/nothing")
    try:
        with pytest.raises(docker.errors.APIError, match="/bin/nothing"):
            client.start(container)
        assert client.inspect_container(container)["State"]["ExitCode"] == 127
    finally:
        client.remove_container(container, force=True)
