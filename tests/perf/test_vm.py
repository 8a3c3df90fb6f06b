"""How quickly VMs start, side by side on this host: ratios, under whatever accelerator it has."""

from __future__ import annotations

import dataclasses
import itertools
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.plan.limits import allot
from harness.prepare import testbed as wire  # by name, its Testbed would look like a test
from runtimes import process
from runtimes.base import InstanceSpec, Site
from runtimes.faults import RuntimeFault
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.kvm import KvmRuntime
from tests.perf.conftest import Recorder

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm import assets, host  # needs libvirt
from runtimes.kvm.engine import KvmEngine
from runtimes.kvm.guest.console import USER_SPACE
from runtimes.kvm.guest.instance import KvmInstance
from tests.support.sites import held_testbed

RUN = secrets.token_hex(3)
BOOT_S = 280.0
ROUNDS = 5
TRIALS = 5
RUNTIME = KvmRuntime()
_numbers = itertools.count()

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def ground(rootfs: Rootfs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    answer = RUNTIME.availability({})
    if not answer.ok:
        pytest.skip(f"kvm cannot run here: {answer.reason} ({answer.fix})")
    with held_testbed(RUN) as bed, tempfile.TemporaryDirectory(prefix="tb", dir="/var/tmp") as home:
        yield Site(
            run=RUN,
            state=Path(home, "s"),
            cache=tmp_path_factory.mktemp("cache"),
            rootfs=rootfs,
            network=bed,
            limits=allot(None, None, None).box,
            progress=lambda _: None,
        )


@pytest.fixture(scope="module")
def engine(ground: Site) -> Iterator[KvmEngine]:
    with RUNTIME.prepare(ground, frozenset({"micro", "snapshot"})) as prepared:
        assert isinstance(prepared, KvmEngine)
        yield prepared


def started(engine: KvmEngine, profile: str = "micro") -> KvmInstance:
    bed = engine.site.network
    assert isinstance(bed, wire.Testbed)
    number = next(_numbers)
    spec = InstanceSpec(f"tb-{RUN}-{number}", profile, engine.site.limits, bed.lease(number))
    return engine.start(spec)


def user_space_ns(engine: KvmEngine, profile: str = "micro") -> int:
    """From the request to the guest's first process."""
    guest = started(engine, profile)
    try:
        guest.agent.hello(BOOT_S)
        return guest.marks["user_space"] - guest.marks["api_call"]
    finally:
        guest.remove()


def by_hand_ns(engine: KvmEngine, scratch: Path, kernel: Path) -> int:
    """The same for QEMU on a command line: default firmware, the usual few devices."""
    start, platform = engine.assets.profiles["micro"].start, engine.platform
    console, name = scratch / "console", platform.architecture
    console.unlink(missing_ok=True)
    machine = f"{'q35' if name == 'x86_64' else 'virt'},accel={platform.accelerator}"
    cpu = "host" if platform.accelerator == "kvm" else "max"
    memory_mib = engine.site.limits.memory_bytes >> 20
    argv = [
        *("taskset", "-c", ",".join(map(str, engine.site.limits.cpus))),
        *(str(platform.emulator), "-machine", machine, "-cpu", cpu, "-m", str(memory_mib)),
        *("-smp", str(len(engine.site.limits.cpus)), "-nodefaults", "-display", "none"),
        *("-serial", f"file:{console}", "-no-reboot", "-kernel", str(kernel)),
        *("-initrd", str(start.initramfs), "-append", "console=ttyS0 quiet panic=-1"),
        *("-drive", f"file={start.image},format=raw,if=virtio,snapshot=on"),
        *("-device", "virtio-serial-pci"),
    ]
    begun_ns = time.monotonic_ns()
    child = process.spawn(argv)
    try:
        while not (console.exists() and USER_SPACE in console.read_bytes()):
            assert time.monotonic_ns() - begun_ns < BOOT_S * 1e9, "it never came up"
            time.sleep(0.002)
        return time.monotonic_ns() - begun_ns
    finally:
        child.kill()
        child.wait()


@pytest.mark.takes(60)
def test_vm_micro_user_space(entry: Recorder, engine: KvmEngine, tmp_path: Path) -> None:
    start = engine.assets.profiles["micro"].start
    assert start.kernel is not None
    ours, plain, packed = [], [], []
    for _ in range(ROUNDS):
        ours.append(user_space_ns(engine))
        plain.append(by_hand_ns(engine, tmp_path, start.kernel))
        packed.append(by_hand_ns(engine, tmp_path, engine.assets.kernel.image))
    micro, hand = statistics.median(ours), statistics.median(plain)
    entry.figure(
        micro / hand,
        "1",
        at_most=1.15,
        target="micro reaches user space in at most 1.15 × QEMU by hand with kernel and initramfs",
        beside={
            "micro_ns": micro,
            "qemu_by_hand_ns": hand,
            "qemu_by_hand_bzimage_ns": statistics.median(packed),
        },
    )


@pytest.mark.takes(60)
def test_vm_micro_against_stock(entry: Recorder, ground: Site) -> None:
    try:
        manager = RUNTIME.prepare(
            dataclasses.replace(ground, state=ground.state / "k"), frozenset({"micro", "stock"})
        )
    except RuntimeFault as fault:
        pytest.skip(f"{fault} ({fault.hint})")
    with manager as engine:
        assert isinstance(engine, KvmEngine)
        micro = statistics.median(user_space_ns(engine) for _ in range(3))
        stock = user_space_ns(engine, "stock")
    entry.figure(
        micro / stock,
        "1",
        at_most=0.25,
        target="micro reaches user space in at most 1/4 of stock",
        beside={"micro_ns": micro, "stock_ns": stock},
    )


@pytest.mark.takes(15)
def test_vm_micro_trial(entry: Recorder, engine: KvmEngine) -> None:
    begun_ns = time.monotonic_ns()
    for _ in range(TRIALS):
        guest = started(engine)
        try:
            guest.agent.hello(BOOT_S)
            assert guest.agent.run(["true"], timeout_s=60).status == 0
            guest.stop(30)
        finally:
            guest.remove()
    entry.figure(
        (time.monotonic_ns() - begun_ns) / TRIALS,
        "ns",
        at_most=9e9,
        target="a trial of micro, everything cached, in at most 9 s: 20 of them in 3 minutes",
    )


def test_vm_images(entry: Recorder, ground: Site, tmp_path: Path) -> None:
    fresh = dataclasses.replace(ground, cache=tmp_path / "c", state=tmp_path / "s")
    fresh.state.mkdir()
    begun_ns = time.monotonic_ns()
    made = assets.prepare(fresh, frozenset({"default", "micro"}), host.architecture())
    took_ns = time.monotonic_ns() - begun_ns
    assert set(made.profiles) == {"default", "micro"}
    entry.figure(
        took_ns,
        "ns",
        at_most=10e9,
        target="the VM's images from the cached root filesystem in at most 10 s",
    )
