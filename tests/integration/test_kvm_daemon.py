"""Guests of a libvirt daemon: on the testbed's network, charged with it, alive while it restarts.

The daemon is started here, where the host has none running; one that runs is somebody's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import process
from runtimes.base import InstanceSpec, Site
from runtimes.conventions import BOX_PORT
from runtimes.faults import RuntimeFault
from runtimes.kvm import leftovers
from runtimes.kvm.host import named
from runtimes.linux import netns
from runtimes.resources import Limits
from tests.support.kvm_boxes import BOOT_S, RUNTIME, why_not
from tests.support.sites import held_testbed
from tests.support.tiny_rootfs import missing, tiny_rootfs

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm import connection  # needs libvirt
from runtimes.kvm.engine import DAEMONS, KvmEngine  # needs libvirt

RUN = secrets.token_hex(3)
URI = "qemu+unix:///system"
"""By its socket: a process that has used the embedded driver takes qemu:///system for that."""
UP_S = 30.0
OWN_PROCESS = "TAREBENCH_TEST_IN_OWN_PROCESS"


def _why_not() -> str:
    if process.find("libvirtd") is None or process.find("virtlogd") is None:
        return "libvirtd or virtlogd is not installed (libvirt-daemon-system)"
    if named(DAEMONS):
        return "a libvirt daemon runs on this host already: it is not restarted for a test"
    return why_not()


pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(_why_not()), reason=_why_not()),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


class Daemon:
    """libvirtd in the foreground, with virtlogd beside it."""

    def __init__(self) -> None:
        self._log = process.spawn(["virtlogd"])
        self._main = process.spawn(["libvirtd"])
        self.await_up()

    def await_up(self) -> None:
        """Wait until it answers."""
        for _ in range(60):
            with contextlib.suppress(RuntimeFault):
                process.run(["virsh", "-q", "-c", URI, "version"], timeout_s=UP_S)
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._main.wait(0.5)
        raise AssertionError("libvirtd does not answer")

    def restart(self) -> None:
        """End it and start another."""
        self.leave()
        self.come_back()

    def leave(self) -> None:
        """End it."""
        self._end(self._main)

    def come_back(self) -> None:
        """Start another."""
        self._main = process.spawn(["libvirtd"])
        self.await_up()

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Stop it, as something that hangs, and let it go on at the end."""
        self._main.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._main.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End both."""
        self._end(self._main)
        self._end(self._log)

    @staticmethod
    def _end(child: subprocess.Popen[bytes]) -> None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    running = Daemon()
    yield running
    running.end()


@pytest.fixture(scope="module")
def engine(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KvmEngine]:
    del daemon
    home = tmp_path_factory.mktemp("daemon")
    home.parent.chmod(0o755)
    home.chmod(0o755)
    limits = Limits(cpus=(0,), cpu_quota=1.0, memory_bytes=256 << 20)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(connection, "KEEPALIVE_S", 1)
        patched.setattr(connection, "KEEPALIVE_COUNT", 2)
        patched.setattr(connection, "OPEN_S", 3.0)
        yield from prepared(home, limits)


def prepared(home: Path, limits: Limits) -> Iterator[KvmEngine]:
    with held_testbed(RUN) as bed:
        site = Site(
            run=RUN,
            state=home / "s",
            cache=home / "c",
            rootfs=tiny_rootfs(home),
            network=bed,
            limits=limits,
            progress=lambda _: None,
            options={"libvirt_uri": URI},
        )
        site.state.mkdir()
        with RUNTIME.prepare(site, frozenset({"default"})) as made:
            assert isinstance(made, KvmEngine)
            yield made
    assert leftovers.guests(RUN) == []
    assert not list(Path("/sys/class/net").glob(f"tb{RUN}*"))


def spec_of(engine: KvmEngine, number: int) -> InstanceSpec:
    lease = engine.site.network.lease(number)  # type: ignore[attr-defined]
    return InstanceSpec(f"tb-{RUN}-{number}", "default", engine.site.limits, lease)


@pytest.mark.skipif(OWN_PROCESS in os.environ, reason="this is the process of its own")
def test_a_daemons_guests_in_a_process_of_their_own() -> None:
    """libvirt lets no process that has used the embedded driver connect to a daemon."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, OWN_PROCESS: "yes"}
    told = process.run(argv, timeout_s=280, env=environment, cwd=Path(__file__).parents[2])
    assert b"3 passed, 1 skipped" in told.stdout


@pytest.mark.skipif(OWN_PROCESS not in os.environ, reason="runs in a process of its own, as above")
def test_the_daemons_guest_is_on_the_testbeds_network_and_outlives_its_restart(
    engine: KvmEngine, daemon: Daemon
) -> None:
    instance = engine.start(spec_of(engine, 1))
    try:
        instance.agent.hello(BOOT_S)
        assert set(engine.daemon_pids()) == set(named(DAEMONS))
        assert len(engine.daemon_pids()) == 2
        instance.agent.spawn(
            ["httpd", "-f", "-p", str(BOX_PORT), "-h", "/opt/tarebench"], timeout_s=60
        )
        up = f"until wget -qO- http://127.0.0.1:{BOX_PORT}/rootfs.digest; do sleep 0.1; done"
        assert instance.agent.run(["sh", "-c", up], timeout_s=20).status == 0
        address, port = instance.address()

        def get() -> bytes:
            url = f"http://{address}:{port}/rootfs.digest"
            with urllib.request.urlopen(url, timeout=20) as answer:  # our own server
                return bytes(answer.read())

        digest = instance.agent.facts()["rootfs_digest"]
        assert netns.inside(engine.site.network.peer_netns, get).decode().strip() == digest
        assert not list(Path("/sys/class/net").glob(f"tb{RUN}*")), "in the host's own namespace"
        daemon.restart()
        assert instance.agent.run(["echo", "alive"], timeout_s=20).stdout == b"alive\n"
        with contextlib.suppress(RuntimeFault):  # what only the daemon knows may be gone with it
            instance.limits()
        instance.stop(20)
    finally:
        instance.remove()
    assert_a_guest_works(engine, 2)


@pytest.mark.skipif(OWN_PROCESS not in os.environ, reason="runs in a process of its own, as above")
def test_a_daemon_that_left_is_said_so_and_the_run_goes_on_once_it_is_back(
    engine: KvmEngine, daemon: Daemon
) -> None:
    daemon.leave()
    with pytest.raises(RuntimeFault, match="connect again to libvirt") as caught:
        engine.start(spec_of(engine, 3))
    assert "libvirtd" in caught.value.hint
    daemon.come_back()
    assert_a_guest_works(engine, 4)


@pytest.mark.skipif(OWN_PROCESS not in os.environ, reason="runs in a process of its own, as above")
def test_a_daemon_that_hangs_is_said_so_and_the_run_goes_on_once_it_answers(
    engine: KvmEngine, daemon: Daemon
) -> None:
    with daemon.hanging():
        for _ in range(2):  # first the old connection dies, then a new one gets no answer
            with pytest.raises(RuntimeFault) as caught:
                engine.start(spec_of(engine, 5))
            assert "--libvirt-uri" in caught.value.hint, str(caught.value)
    daemon.await_up()
    assert_a_guest_works(engine, 6)


def assert_a_guest_works(engine: KvmEngine, number: int) -> None:
    guest = engine.start(spec_of(engine, number))
    try:
        guest.agent.hello(BOOT_S)
        assert guest.limits().memory_bytes == engine.site.limits.memory_bytes
        guest.stop(20)
    finally:
        guest.remove()
