"""Real guests: under KVM where it is proved, else emulated.  Needs root and QEMU."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
import signal
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import testbed as wire  # by name, its Testbed would look like a test
from runtimes import cgroups, netns, process
from runtimes.agent import AgentFault
from runtimes.base import BOX_PORT, InstanceSpec, Limits, RuntimeFault, Site
from runtimes.images.kernel import Kernel
from runtimes.images.rootfs import Rootfs
from runtimes.kvm import KvmRuntime, leftovers
from tests.support.tiny_rootfs import missing, tiny_rootfs

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm import assets, host, preparation, taps  # needs libvirt
from runtimes.kvm.engine import KvmEngine  # needs libvirt
from runtimes.kvm.instance import KvmInstance  # needs libvirt
from runtimes.kvm.shapes import SHAPES

RUNTIME = KvmRuntime()
RUN = secrets.token_hex(3)
LIMITS = Limits(cpus=(max(os.sched_getaffinity(0)),), cpu_quota=1.0, memory_bytes=256 << 20)
BOOT_S = 90.0


def _why_no_legacy() -> str:
    try:
        preparation.check(frozenset({"legacy"}), host.architecture(), daemon=False)
    except RuntimeFault as fault:
        return f"{fault} ({fault.hint})"
    return ""


ELSEWHERE = frozenset({"stock", "legacy", "nested-ns", "nested-docker", "qcow2", "9p", "virtiofs"})
"""stock is built around the real root filesystem: see test_kvm_stock; see test_kvm_nested, too.
The last three differ from default in their volume: see tests/contract/test_volume.py."""
OTHERS = frozenset(RUNTIME.profiles) - ELSEWHERE
TESTED = OTHERS | (frozenset() if _why_no_legacy() else {"legacy"})
NO_DAEMON = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"


def _why_not() -> str:
    availability = RUNTIME.availability({})
    return "" if availability.ok else availability.reason


pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
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
def site(rootfs: Rootfs, bed: wire.Testbed) -> Iterator[Site]:
    # Not below pytest's own directory: paths of libvirt's sockets would be too long.
    home = Path(tempfile.mkdtemp(prefix="tb", dir="/var/tmp"))
    yield Site(
        run=RUN,
        state=home / "s",
        cache=home / "c",
        rootfs=rootfs,
        network=bed,
        limits=LIMITS,
        progress=lambda _: None,
    )
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def engine(site: Site) -> Iterator[KvmEngine]:
    with RUNTIME.prepare(site, TESTED) as made:
        assert isinstance(made, KvmEngine)
        yield made
    assert [path for path in site.state.rglob("*") if path.is_file()] == []
    assert leftovers.guests(RUN) == []
    assert cgroups.detect().remove_all(RUN) == []
    tops = Path("/proc/self/mountinfo").read_text().split()
    assert not [top for top in tops if Path(top, "tarebench", RUN).is_dir()]


def _mounted(where: Path, size: str) -> Iterator[Path]:
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tb-test", str(where)]
    process.run(mount, timeout_s=10)
    try:
        yield where
    finally:
        process.run(["umount", str(where)], timeout_s=10)
        where.rmdir()


@pytest.fixture
def small_disk(site: Site) -> Iterator[Path]:
    """Too small for a guest's own layer."""
    yield from _mounted(site.state.parent / "small", "64k")


@pytest.fixture
def roomy_disk(site: Site) -> Iterator[Path]:
    """Large enough for an empty volume, not for what is written to it."""
    yield from _mounted(site.state.parent / "roomy", "24m")


@pytest.fixture
def spec(request: pytest.FixtureRequest, bed: wire.Testbed) -> InstanceSpec:
    profile = getattr(request, "param", "micro")
    slot = len(request.node.name) % bed.slots
    return InstanceSpec(f"tb-{RUN}-{slot}", profile, LIMITS, bed.lease(slot))


@pytest.fixture
def guest(engine: KvmEngine, spec: InstanceSpec) -> Iterator[KvmInstance]:
    instance = engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        yield instance
    finally:
        instance.remove()
    assert_nothing_left(engine, spec)


def assert_nothing_left(engine: KvmEngine, spec: InstanceSpec) -> None:
    left = [path for path in engine.site.state.rglob(f"{spec.name}*") if path.exists()]
    assert left == []
    assert leftovers.guests(RUN) == []
    assert not engine.hierarchy.group(RUN, spec.name).pids()
    links = ["ip", "-brief", "link", "show", "type", "tun"]
    inside = ["nsenter", f"--net={engine.site.network.host_netns}", *links]
    assert f"tb{RUN}v" not in process.run(inside, timeout_s=10).stdout.decode()
    number = taps.device_number(f"tb{RUN}v{spec.lease.slot}", spec.lease.slot)
    assert not Path(f"/dev/tap{number}").exists()


@pytest.mark.parametrize(
    "spec",
    [
        *sorted(OTHERS),
        pytest.param(
            "legacy", marks=pytest.mark.skipif(bool(_why_no_legacy()), reason=_why_no_legacy())
        ),
    ],
    indirect=True,
)
def test_a_guest_works_and_stops_in_order(guest: KvmInstance, spec: InstanceSpec) -> None:
    done = guest.agent.run(["echo", "weighed"], timeout_s=20)
    assert (done.status, done.stdout) == (0, b"weighed\n")
    assert guest.agent.facts()["hostname"] == spec.name
    read = guest.limits()
    assert (read.cpus, read.cpu_quota) == (LIMITS.cpus, LIMITS.cpu_quota)
    assert (read.memory_bytes, read.pids_max) == (LIMITS.memory_bytes, LIMITS.pids_max)
    stats = guest.stats()
    assert stats.pids[0] == guest.hypervisor.pid
    assert stats.disk_bytes > 0
    guest.stop(20)
    assert guest.wait(0) == 0
    assert "guest_off" in guest.marks, "it was killed, not switched off"
    order = (
        "api_call",
        "process",
        "qemu_started",
        "running",
        "user_space",
        "guest_off",
        "qemu_gone",
    )
    instants = [guest.marks[name] for name in order if name in guest.marks]
    assert instants == sorted(instants)
    assert ("user_space" in guest.marks) == (SHAPES[spec.profile].start != "saved")


def test_every_guest_backs_memory_as_the_host_does(guest: KvmInstance) -> None:
    assert guest.agent.facts().get("thp", "") == host.huge_page_rule()


@pytest.mark.parametrize("spec", ["micro", "macvtap"], indirect=True)
def test_the_peer_reaches_a_server_in_the_guest(guest: KvmInstance, bed: wire.Testbed) -> None:
    argv = ["httpd", "-f", "-p", str(BOX_PORT), "-h", "/opt/tarebench"]
    guest.agent.spawn(argv, timeout_s=60)
    up = [
        "sh",
        "-c",
        f"until wget -qO- http://127.0.0.1:{BOX_PORT}/rootfs.digest; do sleep 0.1; done",
    ]
    assert guest.agent.run(up, timeout_s=20).status == 0
    address, port = guest.address()

    def get() -> bytes:
        url = f"http://{address}:{port}/rootfs.digest"
        with urllib.request.urlopen(url, timeout=20) as answer:  # our own server
            return bytes(answer.read())

    assert (
        netns.inside(bed.peer_netns, get).decode().strip() == guest.agent.facts()["rootfs_digest"]
    )


def test_what_a_guest_writes_is_gone_in_the_next(engine: KvmEngine, bed: wire.Testbed) -> None:
    for number in (1, 2):
        spec = InstanceSpec(f"tb-{RUN}-{number}", "micro", LIMITS, bed.lease(number))
        instance = engine.start(spec)
        try:
            instance.agent.hello(BOOT_S)
            seen = instance.agent.run(["ls", "/tmp"], timeout_s=20).stdout
            assert seen == b""
            assert instance.agent.run(["sh", "-c", "echo x > /tmp/mine"], timeout_s=20).status == 0
        finally:
            instance.remove()


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


def test_a_guest_without_the_memory_to_boot_is_said_so(
    engine: KvmEngine, bed: wire.Testbed
) -> None:
    little = dataclasses.replace(LIMITS, memory_bytes=24 << 20)
    spec = InstanceSpec(f"tb-{RUN}-31", "micro", little, bed.lease(31))
    instance = engine.start(spec)
    try:
        with pytest.raises(RuntimeFault, match="before its user space began") as caught:
            instance.agent.hello(BOOT_S)
        assert "--memory" in caught.value.hint
    finally:
        instance.remove()
    assert_nothing_left(engine, spec)


def test_more_memory_than_the_host_can_give_is_said_so(
    engine: KvmEngine, bed: wire.Testbed
) -> None:
    much = dataclasses.replace(LIMITS, memory_bytes=1 << 50)
    spec = InstanceSpec(f"tb-{RUN}-32", "micro", much, bed.lease(32))
    with pytest.raises(RuntimeFault, match="could not start") as caught:
        engine.start(spec)
    assert caught.value.hint
    assert_nothing_left(engine, spec)


def test_a_full_disk_is_said_so_before_the_guest_is_made(
    engine: KvmEngine, spec: InstanceSpec, small_disk: Path
) -> None:
    site = engine.site
    engine.site = dataclasses.replace(site, state=small_disk)
    try:
        with pytest.raises(RuntimeFault, match="No space left") as caught:
            engine.start(spec)
        assert "TAREBENCH_STATE" in caught.value.hint
        assert list(small_disk.iterdir()) == []
    finally:
        engine.site = site
    assert_nothing_left(engine, spec)


def test_a_disk_that_fills_up_is_an_error_in_the_guest_and_the_run_goes_on(
    engine: KvmEngine, spec: InstanceSpec, roomy_disk: Path
) -> None:
    instance = engine.start(dataclasses.replace(spec, volume=roomy_disk))
    try:
        instance.agent.hello(BOOT_S)
        fill = ["dd", "if=/dev/zero", "of=/volume/x", "bs=1M", "count=48", "conv=fsync"]
        done = instance.agent.run(fill, timeout_s=60)
        assert done.status != 0
        assert instance.agent.run(["echo", "alive"], timeout_s=20).stdout == b"alive\n"
        instance.stop(20)
    finally:
        instance.remove()
    assert list(roomy_disk.iterdir()) == []
    assert_nothing_left(engine, spec)


def test_a_machine_that_libvirt_cannot_make_is_refused_before_any_guest(
    engine: KvmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.check_machines()
    monkeypatch.setattr("runtimes.kvm.devices._placing", lambda _: lambda _: None)
    with pytest.raises(RuntimeFault, match=r"make a guest of kvm:microvm.*PCI") as caught:
        engine.check_machines()
    assert "kvm:micro" in caught.value.hint


def test_a_host_without_macvtap_refuses_its_profile_before_any_guest(
    engine: KvmEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(taps, "DEVICES", tmp_path)
    with pytest.raises(RuntimeFault, match="has come for the macvtap") as caught:
        engine.check_machines()
    assert "devtmpfs" in caught.value.hint
    inside = ["nsenter", f"--net={engine.site.network.host_netns}", "ip", "-brief", "link"]
    assert f"tb{RUN}v" not in process.run(inside, timeout_s=10).stdout.decode()


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


def test_the_image_carries_the_digest_of_its_root_filesystem(
    engine: KvmEngine, rootfs: Rootfs
) -> None:
    assert engine.bits()["rootfs"] == rootfs.digest


def test_without_a_proof_every_sample_is_marked_emulated(engine: KvmEngine) -> None:
    acceleration = engine.versions["acceleration"]
    assert ("emulated" in engine.conditions("micro")) == acceleration.startswith("tcg: ")


def test_a_daemon_that_does_not_answer_is_named(site: Site) -> None:
    elsewhere = dataclasses.replace(site, options={"libvirt_uri": NO_DAEMON})
    with (
        pytest.raises(RuntimeFault, match="connect to libvirt at qemu\\+unix") as caught,
        RUNTIME.prepare(elsewhere, frozenset({"default"})),
    ):
        pass
    assert "libvirtd" in caught.value.hint


def test_an_unknown_profile_is_answered_with_those_there_are(site: Site) -> None:
    with pytest.raises(RuntimeFault, match="no profile warp") as caught:
        RUNTIME.prepare(site, frozenset({"warp"}))
    assert "micro" in caught.value.hint


def test_no_kernel_is_a_reason_before_anything_is_started(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_fits() -> Kernel:
        raise RuntimeFault("no kernel for guests", hint="apt-get install linux-image-cloud-amd64")

    monkeypatch.setattr(assets, "choose", none_fits)
    with (
        pytest.raises(RuntimeFault, match="no kernel for guests"),
        RUNTIME.prepare(site, frozenset({"default"})),
    ):
        pass
