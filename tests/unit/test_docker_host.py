"""What the Docker backend reads from the host, and what it tells its own daemons."""

from __future__ import annotations

import gc
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.docker import DockerRuntime, api, cgroup, disk, layout, locate, store
from runtimes.faults import RuntimeFault
from runtimes.linux import proc
from runtimes.linux.cgroups.v1 import V1
from runtimes.linux.cgroups.v2 import V2
from tests.support.docker_fakes import site


def write(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def test_a_containers_v1_group_is_found_wherever_docker_put_it(tmp_path: Path) -> None:
    write(tmp_path / "7/cgroup", "2:cpuset:/d/x\n1:cpu,cpuacct:/d/x\n3:name=systemd:/d/x\n0::/\n")
    hierarchy = V1({"cpu": tmp_path / "cpu", "cpuset": tmp_path / "cpuset"})
    write(tmp_path / "cpu/d/x/cpu.cfs_quota_us", "150000\n")
    write(tmp_path / "cpu/d/x/cpu.cfs_period_us", "100000\n")
    write(tmp_path / "cpuset/d/x/cpuset.cpus", "0-1,4\n")
    group = cgroup.group(cgroup.paths_of(7, tmp_path), "x", hierarchy)
    assert group is not None
    read = group.limits()
    assert (read.cpus, read.cpu_quota, read.memory_bytes) == ((0, 1, 4), 1.5, None)


def test_a_containers_v2_group_is_found_wherever_docker_put_it(tmp_path: Path) -> None:
    write(tmp_path / "7/cgroup", "0::/system.slice/docker-x.scope\n")
    write(tmp_path / "system.slice/docker-x.scope/memory.max", "4096\n")
    group = cgroup.group(cgroup.paths_of(7, tmp_path), "x", V2(tmp_path))
    assert group is not None
    assert group.limits().memory_bytes == 4096


def test_a_process_that_is_gone_has_no_group(tmp_path: Path) -> None:
    assert cgroup.group(cgroup.paths_of(7, tmp_path), "x", V2(tmp_path)) is None


def test_every_hierarchy_is_swept_named_ones_included() -> None:
    mounts = (
        "1 0 0:1 / /c/cpu rw shared:1 - cgroup cgroup rw,cpu\n"
        "2 0 0:2 / /c/systemd rw - cgroup cgroup rw,name=systemd\n"
        "3 0 0:3 / /c/unified rw - cgroup2 cgroup2 rw\n"
        "4 0 0:4 / /proc rw - proc proc rw\n"
    )
    assert [str(path) for path in cgroup.mount_points(mounts)] == [
        "/c/cpu",
        "/c/systemd",
        "/c/unified",
    ]


def test_the_writable_layer_is_found_in_the_containers_mounts() -> None:
    mounts = (
        "1 0 0:9 / /proc rw - proc proc rw\n"
        "2 0 0:8 / / rw - overlay overlay rw,lowerdir=l/A:l/B,upperdir=/d/o/x/diff,workdir=/d/w\n"
    )
    assert disk.upper_directory(mounts) == Path("/d/o/x/diff")
    assert disk.upper_directory("2 0 0:8 / / rw - ext4 /dev/sda rw\n") is None


def test_a_file_with_two_names_is_weighed_once(tmp_path: Path) -> None:
    write(tmp_path / "a", "x" * 9000)
    alone = disk.tree_bytes(tmp_path)
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "loop").symlink_to(".")
    assert disk.tree_bytes(tmp_path) == alone
    assert disk.tree_bytes(tmp_path / "gone") == 0


def test_options_of_a_command_line_are_found_in_both_spellings() -> None:
    argv = ("x", "-id", "7", "--address=/run/x", "--last")
    assert proc.option(argv, "-id") == "7"
    assert proc.option(argv, "--address") == "/run/x"
    assert proc.option(argv, "--last") == ""


def test_children_are_listed_with_and_without_the_kernels_own_list(tmp_path: Path) -> None:
    write(tmp_path / "5/task/5/children", "8 7 ")
    write(tmp_path / "5/task/6/children", "")
    assert proc.children(5, tmp_path) == (7, 8)
    write(tmp_path / "9/stat", "9 (a) b) S 4 9 9")
    (tmp_path / "4/task/4").mkdir(parents=True)
    assert proc.children(4, tmp_path) == (9,)
    assert proc.children(77, tmp_path) == ()


class Daemon:
    """A socket that answers one kind of answer to everything."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.address = f"unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._answer = answer
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                asked = connection.recv(4096)
                if asked == b"end":
                    return
                connection.sendall(self._answer)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self._listener.getsockname())
            last.sendall(b"end")
        self._thread.join()
        self._listener.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "s", OK)
    yield made
    made.close()


def test_a_daemon_that_answers_is_the_users_and_is_chosen(daemon: Daemon) -> None:
    assert locate.choose({"docker_host": daemon.address}, {}) == daemon.address
    assert locate.choose({}, {"DOCKER_HOST": daemon.address}) == daemon.address


def test_a_private_daemon_can_be_asked_for_although_one_answers(daemon: Daemon) -> None:
    chosen = locate.choose({"docker_host": "private"}, {"DOCKER_HOST": daemon.address})
    assert chosen is None


def test_a_socket_that_speaks_something_else_is_no_daemon(tmp_path: Path) -> None:
    other = Daemon(tmp_path / "s", b"220 smtp ready\r\n")
    try:
        assert not locate.answers(tmp_path / "s")
    finally:
        other.close()


def http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        b"220 smtp ready\r\n",
        b"",
        b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n",
        http(b"{}"),
        http(b"[]"),
        http(b"null"),
        http(b'{"ApiVersion": 7}'),
        http(b'{"ApiVersion": "0.1"}'),
        http(b"\xff\xfe"),
    ],
)
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")  # the SDK's, on failure
def test_a_daemon_that_speaks_nonsense_is_a_fault(tmp_path: Path, answer: bytes) -> None:
    other = Daemon(tmp_path / "s", answer)
    try:
        with pytest.raises(RuntimeFault, match="connect to the Docker daemon"):
            api.connect(other.address, timeout_s=2)
    finally:
        other.close()
        gc.collect()


def test_an_address_that_was_asked_for_must_answer(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match="no Docker daemon answers") as caught:
        locate.choose({"docker_host": f"unix://{tmp_path}/none"}, {})
    assert caught.value.hint


def test_a_daemon_on_another_host_cannot_be_weighed_here() -> None:
    with pytest.raises(RuntimeFault, match="no socket on this host"):
        locate.choose({"docker_host": "tcp://10.0.0.1:2375"}, {})
    availability = DockerRuntime().availability({"docker_host": "tcp://10.0.0.1:2375"})
    assert not availability.ok
    assert "private" in availability.fix


def test_an_unknown_profile_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match="no profile swarm"):
        DockerRuntime().prepare(site(state=tmp_path, cache=tmp_path), frozenset({"swarm"}))


LAYOUT = layout.Layout(run="3fa9c1", state=Path("/s"), data_root=Path('/c/d "x"'))


def test_every_path_of_a_private_daemon_is_its_own() -> None:
    argv = layout.dockerd_argv(LAYOUT, Path("/run/netns/n"), 1500, 77)
    told = {word.partition("=")[0] for word in argv if word.startswith("--")}
    assert {
        "--config-file",
        "--host",
        "--containerd",
        "--data-root",
        "--exec-root",
        "--pidfile",
        "--cgroup-parent",
    } <= told
    assert "--mount=/proc/77/ns/mnt" in argv, "its mounts must be its containerd's"
    assert "/etc/docker" not in " ".join(argv)


def test_sockets_are_short_enough_whatever_the_state_directory_is() -> None:
    assert max(len(str(LAYOUT.socket)), len(str(LAYOUT.containerd_socket))) < 108


def test_a_path_with_quotes_stays_one_string_in_containerds_configuration() -> None:
    assert 'root = "/c/d \\"x\\"/containerd"' in layout.containerd_config(LAYOUT)


def test_old_engines_are_kept_from_writing_to_etc_and_new_ones_do_not_know_the_option() -> None:
    assert json.loads(layout.dockerd_config(LAYOUT, 20)) == {"deprecated-key-path": "/s/key.json"}
    assert json.loads(layout.dockerd_config(LAYOUT, 28)) == {}


def test_the_second_run_at_a_time_gets_a_data_root_of_its_own_and_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    first = site(state=tmp_path / "1", cache=tmp_path, progress=said.append)
    second = site(state=tmp_path / "2", cache=tmp_path, progress=said.append)
    with store.data_root(first) as (shared, lock):
        assert lock is not None
        assert said == []
        with store.data_root(second) as (own, none):
            assert none is None
            assert own != shared
            assert own.is_relative_to(tmp_path / "2")
    with store.data_root(second) as (again, _):
        assert again == shared
    assert len(said) == 1
