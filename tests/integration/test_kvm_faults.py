"""Guests that hang, die, babble or cannot be had: a reason, a next step, and nothing left.

What a libvirt daemon may do is in test_kvm_daemon; what fakes can show is in the unit tests.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from runtimes.agent.channel import AgentFault, FdStream
from runtimes.base import InstanceSpec
from runtimes.faults import RuntimeFault
from runtimes.kvm import leftovers
from runtimes.kvm.boot.kernel import Kernel
from tests.support.kvm_boxes import (
    BOOT_S,
    LIMITS,
    RUNTIME,
    assert_nothing_left,
    booted,
    kvm_ground,
    marks,
    small_disk,
    spec_of,
    why_no,
)

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm import assets  # needs libvirt
from runtimes.kvm.engine import KvmEngine
from runtimes.kvm.guest import (  # needs libvirt
    console,
    creation,
    files,
    hypervisor,
    pidfile_watch,
    virtiofsd,
    watchdog,
)
from runtimes.kvm.guest.instance import KvmInstance

RUN = secrets.token_hex(3)
TESTED = frozenset({"micro", *(name for name in ("virtiofs",) if not why_no(name))})
NO_DAEMON = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"

pytestmark = marks


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KvmEngine]:
    with kvm_ground(RUN, TESTED, tmp_path_factory.getbasetemp()) as made:
        yield made


@pytest.fixture
def spec(request: pytest.FixtureRequest, engine: KvmEngine) -> InstanceSpec:
    profile = getattr(request, "param", "micro")
    return spec_of(engine, len(request.node.name) % 100, profile)


@pytest.fixture
def guest(engine: KvmEngine, spec: InstanceSpec) -> Iterator[KvmInstance]:
    with booted(engine, spec) as instance:
        yield instance


def ask_until_silent(guest: KvmInstance) -> None:
    """The signal may take effect after the first few answers."""
    for _ in range(100):
        guest.agent.facts(1.0)


def test_a_guest_that_hangs_is_destroyed(guest: KvmInstance) -> None:
    guest.agent.spawn(["sh", "-c", "kill -STOP $PPID"], timeout_s=60)
    with pytest.raises(AgentFault, match="gave up waiting"):
        ask_until_silent(guest)
    guest.stop(1.0)
    assert "guest_off" not in guest.marks
    assert guest.hypervisor.how == "signal SIGKILL"
    shown = guest.diagnostics()  # what a failed trial keeps as its tail
    assert "console: tarebench-init: user space" in shown
    assert "QEMU ended by signal SIGKILL" in shown


def test_qemu_killed_in_mid_trial_is_said_so(guest: KvmInstance) -> None:
    job = guest.agent.spawn(["sleep", "60"], timeout_s=60)
    os.kill(guest.hypervisor.pid, signal.SIGKILL)
    with pytest.raises(RuntimeFault, match="ended by signal SIGKILL in the middle") as caught:
        job.wait(30)
    assert "dmesg" in caught.value.hint
    guest.stop(1.0)


@pytest.mark.skipif(bool(why_no("virtiofs")), reason=why_no("virtiofs"))
@pytest.mark.parametrize("spec", ["virtiofs"], indirect=True)
def test_a_guest_whose_share_has_lost_its_server_is_ended_at_once(
    engine: KvmEngine, spec: InstanceSpec, tmp_path: Path
) -> None:
    with booted(engine, dataclasses.replace(spec, volume=tmp_path)) as guest:
        write = "while :; do dd if=/dev/zero of=/volume/x bs=4k count=16 conv=fsync; done"
        job = guest.agent.spawn(["sh", "-c", write], timeout_s=600)
        served = virtiofsd.processes(guest.server)
        assert len(served) > 1
        os.kill(served[-1], signal.SIGKILL)
        with pytest.raises(RuntimeFault, match=r"virtiofsd of .* in the middle"):
            job.wait(30)
        assert "QEMU ended by signal SIGKILL" in guest.diagnostics()
    assert [pid for pid in served if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.skipif(bool(why_no("virtiofs")), reason=why_no("virtiofs"))
@pytest.mark.parametrize("spec", ["virtiofs"], indirect=True)
def test_a_share_ends_after_a_guest_that_switches_itself_off(
    engine: KvmEngine, spec: InstanceSpec, tmp_path: Path
) -> None:
    with booted(engine, dataclasses.replace(spec, volume=tmp_path)) as guest:
        guest.stop(20)
        assert guest.server is not None
        assert guest.server.wait(5)
        assert "guest_off" in guest.marks, "it was killed, not switched off"
        assert virtiofsd.LOST not in guest.marks


def test_a_qemu_that_hangs_while_libvirt_makes_it_is_killed_in_time(
    engine: KvmEngine, spec: InstanceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(hypervisor.Hypervisor):
        def __init__(self, pid: int, *more: Callable[[int], None]) -> None:
            super().__init__(pid, *more)
            os.kill(pid, signal.SIGSTOP)

    with monkeypatch.context() as hung:
        hung.setattr(pidfile_watch, "Hypervisor", Hanging)
        hung.setattr(creation, "watchdog", partial(watchdog.watchdog, limit_s=1.0))
        with pytest.raises(RuntimeFault, match="no answer for 1 s") as caught:
            engine.start(spec)
    assert "dmesg" in caught.value.hint
    assert_nothing_left(engine, spec)


def test_a_qemu_that_hangs_before_its_guest_runs_is_killed_in_time(
    engine: KvmEngine, spec: InstanceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(path: Path) -> FdStream:
        os.kill(leftovers.guests(RUN)[0][0], signal.SIGSTOP)
        return dial(path)

    dial = creation.dial
    monkeypatch.setattr(creation, "dial", hang)
    monkeypatch.setattr("runtimes.kvm.engine.watchdog", partial(watchdog.watchdog, limit_s=1.0))
    with pytest.raises(RuntimeFault, match=r"could not let .* run: no answer for 1 s"):
        engine.start(spec)
    assert_nothing_left(engine, spec)


def test_a_guest_that_babbles_on_its_console_neither_fills_the_disk_nor_hides_its_end(
    guest: KvmInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "KEPT_BYTES", 1 << 20)
    babble = "while :; do echo 0123456789012345678901234567890123456789; done > /dev/console"
    guest.agent.run(["sh", "-c", babble], timeout_s=4)
    assert guest.files.console.stat().st_size > 0
    assert files.allocated_bytes(guest.files.console) < 4 << 20
    guest.stop(20)
    assert guest.wait(0) == 0


def test_a_guest_without_the_memory_to_boot_is_said_so(
    engine: KvmEngine, spec: InstanceSpec
) -> None:
    little = dataclasses.replace(LIMITS, memory_bytes=24 << 20)
    instance = engine.start(dataclasses.replace(spec, limits=little))
    try:
        with pytest.raises(RuntimeFault, match="before its user space began") as caught:
            instance.agent.hello(BOOT_S)
        assert "--memory" in caught.value.hint
    finally:
        instance.remove()
    assert_nothing_left(engine, spec)


def test_more_memory_than_the_host_can_give_is_said_so(
    engine: KvmEngine, spec: InstanceSpec
) -> None:
    much = dataclasses.replace(LIMITS, memory_bytes=1 << 50)
    with pytest.raises(RuntimeFault, match="could not start") as caught:
        engine.start(dataclasses.replace(spec, limits=much))
    assert caught.value.hint
    assert_nothing_left(engine, spec)


def test_a_full_disk_is_said_so_before_the_guest_is_made(
    engine: KvmEngine, spec: InstanceSpec
) -> None:
    site = engine.site
    with small_disk(engine, "64k") as disk:
        engine.site = dataclasses.replace(site, state=disk)
        try:
            with pytest.raises(RuntimeFault, match="No space left") as caught:
                engine.start(spec)
            assert "TAREBENCH_STATE" in caught.value.hint
            assert list(disk.iterdir()) == []
        finally:
            engine.site = site
    assert_nothing_left(engine, spec)


def test_a_disk_that_fills_up_is_an_error_in_the_guest_and_the_run_goes_on(
    engine: KvmEngine, spec: InstanceSpec
) -> None:
    with small_disk(engine, "24m") as disk:
        with booted(engine, dataclasses.replace(spec, volume=disk)) as guest:
            fill = ["dd", "if=/dev/zero", "of=/volume/x", "bs=1M", "count=48", "conv=fsync"]
            done = guest.agent.run(fill, timeout_s=60)
            assert done.status != 0
            assert guest.agent.run(["echo", "alive"], timeout_s=20).stdout == b"alive\n"
            guest.stop(20)
        assert list(disk.iterdir()) == []


def test_a_state_that_does_not_fit_on_the_disk_is_said_so_and_leaves_nothing(
    engine: KvmEngine,
) -> None:
    with small_disk(engine, "24m") as disk:
        full = dataclasses.replace(engine.site, run=secrets.token_hex(3), state=disk)
        with (
            pytest.raises(RuntimeFault, match="could not save the guest's state") as caught,
            RUNTIME.prepare(full, frozenset({"snapshot"})),
        ):
            pass
        assert "TAREBENCH_STATE" in caught.value.hint
        assert list(disk.iterdir()) == []
    assert leftovers.guests(full.run) == []


def test_a_domain_that_libvirt_refuses_is_said_so(engine: KvmEngine, spec: InstanceSpec) -> None:
    platform = engine.platform
    engine.platform = dataclasses.replace(platform, emulator=Path("/nonexistent/qemu"))
    try:
        with pytest.raises(RuntimeFault, match=f"could not start {spec.name}") as caught:
            engine.start(spec)
        assert caught.value.hint
    finally:
        engine.platform = platform
    assert_nothing_left(engine, spec)


def test_cleaning_after_a_killed_run_ends_its_guests(
    engine: KvmEngine, guest: KvmInstance, tmp_path: Path
) -> None:
    removed = RUNTIME.clean(tmp_path / "state", RUN)
    assert f"guest {guest.spec.name} (process {guest.hypervisor.pid})" in removed
    assert guest.hypervisor.wait(5)
    assert RUNTIME.clean(tmp_path / "state", RUN) == []
    engine.hierarchy.prepare(RUN)


def test_a_start_that_fails_leaves_nothing(engine: KvmEngine, spec: InstanceSpec) -> None:
    before = engine.assets
    micro = before.profiles["micro"]
    start = dataclasses.replace(micro.start, initramfs=Path("/nonexistent/initramfs"))
    broken = {"micro": dataclasses.replace(micro, start=start)}
    engine.assets = dataclasses.replace(before, profiles=broken)
    try:
        with pytest.raises(RuntimeFault, match=f"could not start {spec.name}"):
            engine.start(spec)
    finally:
        engine.assets = before
    assert_nothing_left(engine, spec)


def test_a_daemon_that_is_not_there_is_named(engine: KvmEngine) -> None:
    elsewhere = dataclasses.replace(engine.site, options={"libvirt_uri": NO_DAEMON})
    with (
        pytest.raises(RuntimeFault, match="connect to libvirt at qemu\\+unix") as caught,
        RUNTIME.prepare(elsewhere, frozenset({"default"})),
    ):
        pass
    assert "libvirtd" in caught.value.hint


def test_no_kernel_is_a_reason_before_anything_is_started(
    engine: KvmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_fits() -> Kernel:
        raise RuntimeFault("no kernel for guests", hint="apt-get install linux-image-cloud-amd64")

    monkeypatch.setattr(assets, "choose", none_fits)
    with (
        pytest.raises(RuntimeFault, match="no kernel for guests"),
        RUNTIME.prepare(engine.site, frozenset({"default"})),
    ):
        pass
