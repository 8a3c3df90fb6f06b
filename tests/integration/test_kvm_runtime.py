"""Real guests: under KVM where it is proved, else emulated.  Needs root and QEMU."""

from __future__ import annotations

import secrets
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.trial.footprint import pss_bytes
from runtimes import process
from runtimes.base import InstanceSpec
from runtimes.conventions import BOX_PORT
from runtimes.faults import RuntimeFault
from runtimes.linux import netns
from tests.support.kvm_boxes import LIMITS, RUNTIME, booted, kvm_ground, marks, spec_of, why_no

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm import host  # needs libvirt
from runtimes.kvm.engine import KvmEngine
from runtimes.kvm.guest import taps  # needs libvirt
from runtimes.kvm.guest.instance import KvmInstance
from runtimes.kvm.profiles.specs import SPECS

RUN = secrets.token_hex(3)
ELSEWHERE = frozenset({"stock", "legacy", "nested-ns", "nested-docker", "qcow2", "9p", "virtiofs"})
"""stock is built around the real root filesystem: see test_kvm_stock; see test_kvm_nested, too.
The last three differ from default in their volume: see tests/contract/test_volume.py."""
OTHERS = frozenset(RUNTIME.profiles) - ELSEWHERE
TESTED = OTHERS | {name for name in ("legacy",) if not why_no(name)}

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


@pytest.mark.parametrize(
    "spec",
    [
        *sorted(OTHERS),
        pytest.param(
            "legacy", marks=pytest.mark.skipif(bool(why_no("legacy")), reason=why_no("legacy"))
        ),
    ],
    indirect=True,
)
def test_a_guest_works_and_stops_in_order(
    guest: KvmInstance, spec: InstanceSpec, engine: KvmEngine
) -> None:
    done = guest.agent.run(["echo", "weighed"], timeout_s=20)
    assert (done.status, done.stdout) == (0, b"weighed\n")
    assert guest.agent.facts()["hostname"] == spec.name
    read = guest.limits()
    assert (read.cpus, read.cpu_quota) == (LIMITS.cpus, LIMITS.cpu_quota)
    assert (read.memory_bytes, read.pids_max) == (LIMITS.memory_bytes, LIMITS.pids_max)
    stats = guest.stats()
    assert stats.pids[0] == guest.hypervisor.pid
    assert stats.disk_bytes > 0
    assert stats.guest_bytes is not None
    assert 16 << 20 < stats.guest_bytes <= LIMITS.memory_bytes
    assert stats.guest_bytes + stats.translation_bytes < pss_bytes([guest.hypervisor.pid])
    assert bool(stats.translation_bytes) == ("emulated" in engine.conditions(spec.profile))
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
    booted_here = SPECS[spec.profile].start != "saved"
    assert ("user_space" in guest.marks) == booted_here
    assert (0 < guest.durations_ns().get("guest_kernel", 0) < 10**11) == booted_here


def test_every_guest_backs_memory_as_the_host_does(guest: KvmInstance) -> None:
    assert guest.agent.facts().get("thp", "") == host.huge_page_rule()


@pytest.mark.parametrize("spec", ["micro", "macvtap"], indirect=True)
def test_the_peer_reaches_a_server_in_the_guest(engine: KvmEngine, guest: KvmInstance) -> None:
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
        netns.inside(engine.site.network.peer_netns, get).decode().strip()
        == guest.agent.facts()["rootfs_digest"]
    )


def test_what_a_guest_writes_is_gone_in_the_next(engine: KvmEngine) -> None:
    for number in (1, 2):
        with booted(engine, spec_of(engine, number)) as guest:
            seen = guest.agent.run(["ls", "/tmp"], timeout_s=20).stdout
            assert seen == b""
            assert guest.agent.run(["sh", "-c", "echo x > /tmp/mine"], timeout_s=20).status == 0


def test_a_machine_that_libvirt_cannot_make_is_refused_before_any_guest(
    engine: KvmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.check_machines()
    monkeypatch.setattr("runtimes.kvm.domain.devices._placing", lambda _: lambda _: None)
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


def test_the_image_carries_the_digest_of_its_root_filesystem(engine: KvmEngine) -> None:
    assert engine.bits()["rootfs"] == engine.site.rootfs.digest


def test_without_a_proof_every_sample_is_marked_emulated(engine: KvmEngine) -> None:
    acceleration = engine.versions["acceleration"]
    assert ("emulated" in engine.conditions("micro")) == acceleration.startswith("tcg: ")


def test_an_unknown_profile_is_answered_with_those_there_are(engine: KvmEngine) -> None:
    with pytest.raises(RuntimeFault, match="no profile warp") as caught:
        RUNTIME.prepare(engine.site, frozenset({"warp"}))
    assert "micro" in caught.value.hint
