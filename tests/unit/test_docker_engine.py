from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker.errors
import pytest
import requests.exceptions

from runtimes.agent.channel import PROTOCOL_VERSION, AgentFault
from runtimes.agent.frames import Frame
from runtimes.base import InstanceSpec
from runtimes.docker.daemon import UserDaemon
from runtimes.docker.engine import DockerEngine, versions
from runtimes.docker.image import Image
from runtimes.docker.instance import DockerInstance, is_proxy, is_shim
from runtimes.docker.limiting import Limiter
from runtimes.docker.request import Place
from runtimes.docker.starting import Starting
from runtimes.faults import RuntimeFault
from runtimes.linux.disk import Keeper
from tests.support.docker_fakes import DIGEST, LEASE, LIMITS, FakeClient

SPEC = InstanceSpec(name="tb-3fa9c1-7", profile="default", limits=LIMITS, lease=LEASE)
HELLO = b"\x01\0\0\0\0\0\0\x0a" + Frame("h", 0, str(PROTOCOL_VERSION).encode()).encode()


@dataclass(slots=True)
class FakeDaemon:
    """Implements ``runtimes.docker.daemon.Daemon``."""

    address: str = "unix:///nowhere"
    private: bool = True
    lives: bool = True
    restarts: list[str] = field(default_factory=list)

    def pids(self) -> tuple[int, ...]:
        return (1, 2)

    def dockerd_pid(self) -> int:
        return 1

    def alive(self) -> bool:
        return self.lives

    def restart(self) -> None:
        self.restarts.append("restarted")
        self.lives = True

    def log_tail(self) -> str:
        return "last words"


@pytest.fixture
def client() -> Iterator[FakeClient]:
    made = FakeClient(first_bytes=HELLO)
    yield made
    made.close()


def engine(client: FakeClient, daemon: FakeDaemon | UserDaemon | None = None) -> DockerEngine:
    return DockerEngine(
        run="3fa9c1",
        daemon=daemon or FakeDaemon(),
        client=client,
        image=Image("sha256:1", DIGEST),
        place=Place("198.18.0.1"),
        data_root=Path("/nowhere"),
        versions={},
        limiter=Limiter(daemon or FakeDaemon(), Keeper(0), Path("/nowhere")),
    )


def end(instance: DockerInstance) -> None:
    instance.agent.close()
    instance.remove()


def test_the_stream_is_attached_before_the_container_starts(client: FakeClient) -> None:
    instance = engine(client).start(SPEC)
    try:
        assert [name for name, _ in client.calls][:3] == ["create", "attach", "start"]
        assert instance.agent.hello(5) > 0
    finally:
        end(instance)


def test_a_refused_start_is_a_fault_with_dockers_words_and_leaves_no_container(
    client: FakeClient,
) -> None:
    client.first_bytes = b""
    client.start_error = docker.errors.APIError("500", explanation="no space left on device")
    with pytest.raises(RuntimeFault, match="no space left on device") as caught:
        engine(client).start(SPEC)
    assert caught.value.tail == "last words"
    assert client.named("remove") == [("c0ffee", True, True)]


def test_an_interrupt_while_starting_leaves_no_container(
    client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_starting: Starting, _stream: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Starting, "first_sign", interrupted)
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        engine(client).start(SPEC)
    assert [name for name, _ in client.calls][-1] == "remove"
    assert threading.active_count() == threads


def test_an_interrupt_while_attaching_leaves_no_container(
    client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_engine: DockerEngine, _spec: object, _identifier: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DockerEngine, "_attach", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine(client).start(SPEC)
    assert [name for name, _ in client.calls] == ["create", "remove"]


def test_a_container_that_ends_at_once_is_still_an_instance(client: FakeClient) -> None:
    """Its agent's silence is told by hello, with the container's state beside it."""
    client.first_bytes = b"\x02\0\0\0\0\0\0\x05wrong"
    instance = engine(client).start(SPEC)
    assert client.their_socket is not None
    client.their_socket.shutdown(socket.SHUT_RDWR)
    try:
        with pytest.raises(AgentFault, match="closed the channel"):
            instance.agent.hello(5)
        assert "standard error: wrong" in instance.diagnostics()
    finally:
        end(instance)


def test_a_daemon_that_died_is_restarted_before_the_next_box(client: FakeClient) -> None:
    daemon = FakeDaemon(lives=False)
    client.create_errors = [requests.exceptions.ConnectionError("refused")]
    end(engine(client, daemon).start(SPEC))
    assert daemon.restarts == ["restarted"]
    assert len(client.named("create")) == 2


def test_a_refusal_restarts_nothing(client: FakeClient) -> None:
    daemon = FakeDaemon(lives=False)
    client.create_errors = [docker.errors.APIError("409", explanation="name in use")]
    with pytest.raises(RuntimeFault, match="name in use"):
        engine(client, daemon).start(SPEC)
    assert daemon.restarts == []


def test_a_damaged_data_root_is_told_with_the_way_out(client: FakeClient) -> None:
    words = "error creating overlay mount to /x/overlay2/y/merged: no such file or directory"
    client.create_errors = [docker.errors.APIError("500", explanation=words)]
    with pytest.raises(RuntimeFault, match="overlay mount") as caught:
        engine(client).start(SPEC)
    assert "invoke clean --cache" in caught.value.hint


def test_a_live_daemon_that_stumbles_is_not_restarted(client: FakeClient) -> None:
    daemon = FakeDaemon(lives=True)
    client.create_errors = [requests.exceptions.ReadTimeout("slow")]
    with pytest.raises(RuntimeFault, match="does not answer in time"):
        engine(client, daemon).start(SPEC)
    assert daemon.restarts == []


def test_a_users_daemon_is_never_restarted() -> None:
    with pytest.raises(RuntimeFault, match="does not answer any more"):
        UserDaemon("unix:///nowhere").restart()


@pytest.mark.parametrize("answer", [None, {}, {"Id": ""}, {"Id": "../../etc"}, {"Id": 7}, []])
def test_a_created_container_without_a_proper_id_is_refused(
    client: FakeClient, answer: object
) -> None:
    client.created = answer
    with pytest.raises(RuntimeFault, match="names no container"):
        engine(client).start(SPEC)


def test_a_pid_that_is_not_the_containers_is_not_believed(client: FakeClient) -> None:
    """Limits are not read from, and no signal is sent to, whatever process a daemon names."""
    instance = engine(client).start(SPEC)
    client.inspected = {"State": {"Pid": os.getpid()}}
    try:
        with pytest.raises(RuntimeFault, match="is not the container's"):
            instance.limits()
        with pytest.raises(RuntimeFault, match="is not the container's"):
            instance.wait(1)
    finally:
        end(instance)


def test_diagnostics_never_raise_and_show_what_there_is(client: FakeClient) -> None:
    instance = engine(client).start(SPEC)
    try:
        client.inspected = {"State": {"ExitCode": 137, "OOMKilled": True}}
        assert "OOMKilled=True" in instance.diagnostics()
        assert "last words" in instance.diagnostics()
        client.inspected = None
        assert "last words" in instance.diagnostics()
    finally:
        end(instance)


def test_remove_may_be_repeated_and_asks_once(client: FakeClient) -> None:
    instance = engine(client).start(SPEC)
    instance.remove()
    instance.remove()
    assert client.named("remove") == [("c0ffee", True, True)]


def test_the_published_address_is_the_daemons_not_the_leases(client: FakeClient) -> None:
    instance = engine(client).start(SPEC)
    try:
        assert instance.address() == ("198.18.0.1", 21003)
    finally:
        end(instance)


def test_helpers_are_told_by_container_and_by_address() -> None:
    shim = ("/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", "c0ffee")
    proxy = ("/usr/sbin/docker-proxy", "-proto", "tcp", "-container-ip", "172.17.0.2")
    assert is_shim(shim, "c0ffee")
    assert not is_shim(shim, "c0ffe")
    assert is_proxy(proxy, "172.17.0.2")
    assert not is_proxy(proxy, "172.17.0.22")
    assert not is_proxy(("docker-proxy",), ""), "a box without address has no proxy"


def test_versions_skip_what_is_no_version() -> None:
    client = FakeClient()
    assert versions(client.version(), client.info()) == {
        "dockerd": "20.10.24",
        "runc": "1.1.5",
        "storage_driver": "overlay2",
    }
    assert versions(None, 7) == {}
