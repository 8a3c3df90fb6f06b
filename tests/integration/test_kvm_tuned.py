"""What tuned and legacy guests really have: read back from QEMU, the host and the guest itself."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kvm_boxes import LIMITS, booted, kvm_ground, marks, spec_of, why_no

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

import libvirt_qemu  # needs libvirt

from runtimes.kvm.domain import topology
from runtimes.kvm.engine import KvmEngine
from runtimes.kvm.guest.instance import KvmInstance
from runtimes.linux.cpu_list import parse_cpus

RUN = secrets.token_hex(3)
CPUS = tuple(sorted(os.sched_getaffinity(0))[-2:])
ALL = dataclasses.replace(LIMITS, cpus=CPUS, cpu_quota=float(len(CPUS)))
TESTED = frozenset({"tuned", *(name for name in ("legacy",) if not why_no(name))})

pytestmark = marks


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KvmEngine]:
    with kvm_ground(RUN, TESTED, tmp_path_factory.getbasetemp(), ALL) as made:
        yield made


@pytest.fixture(scope="module")
def tuned(engine: KvmEngine) -> Iterator[KvmInstance]:
    with booted(engine, spec_of(engine, 1, "tuned")) as guest:
        yield guest


def ask(guest: KvmInstance, command: str, **arguments: str) -> Any:  # noqa: ANN401  # QEMU's answers
    question = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(libvirt_qemu.qemuMonitorCommand(guest.domain, question, 0))["return"]


def allowed(guest: KvmInstance, thread: int) -> tuple[int, ...]:
    """CPUs that a thread of QEMU may run on, as the kernel has it."""
    status = Path(f"/proc/{guest.hypervisor.pid}/task/{thread}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("Cpus_allowed_list:"))
    return parse_cpus(line.split()[1])


def opened(guest: KvmInstance) -> dict[int, str]:
    """QEMU's descriptors and what they are of."""
    found = Path(f"/proc/{guest.hypervisor.pid}/fd")
    return {int(entry.name): str(entry.readlink()) for entry in found.iterdir()}


def inside(guest: KvmInstance, script: str) -> str:
    done = guest.agent.run(["sh", "-c", script], timeout_s=30)
    assert done.status == 0, done.stderr
    return done.stdout.decode()


def test_each_virtual_cpu_is_pinned_and_the_other_threads_are_on_the_boxs_cpus(
    engine: KvmEngine, tuned: KvmInstance
) -> None:
    told = engine.platform.topology
    assert told is not None
    threads = {cpu["cpu-index"]: cpu["thread-id"] for cpu in ask(tuned, "query-cpus-fast")}
    pins = [allowed(tuned, threads[number]) for number in sorted(threads)]
    assert pins == [(cpu,) for cpu in told.cpus]
    others = {int(entry.name) for entry in Path(f"/proc/{tuned.hypervisor.pid}/task").iterdir()}
    assert {allowed(tuned, thread) for thread in others - set(threads.values())} == {CPUS}


def test_its_disk_has_an_io_thread_and_goes_past_the_hosts_cache(tuned: KvmInstance) -> None:
    (thread,) = ask(tuned, "query-iothreads")
    assert allowed(tuned, thread["thread-id"]) == CPUS
    path = "/machine/peripheral/virtio-disk0"
    assert ask(tuned, "qom-get", path=path, property="iothread").endswith(thread["id"])
    nodes = [node for node in ask(tuned, "query-named-block-nodes") if node["drv"] == "file"]
    assert [node["cache"]["direct"] for node in nodes] == [True] * len(nodes) != []
    disk = str(tuned.files.overlay)
    (number,) = (number for number, what in opened(tuned).items() if what == disk)
    info = Path(f"/proc/{tuned.hypervisor.pid}/fdinfo/{number}").read_text()
    (flags,) = (line.split()[1] for line in info.splitlines() if line.startswith("flags:"))
    assert int(flags, 8) & os.O_DIRECT


def test_its_network_has_a_queue_for_each_cpu_and_vhost_where_the_host_has_it(
    engine: KvmEngine, tuned: KvmInstance
) -> None:
    what = list(opened(tuned).values())
    assert what.count("/dev/net/tun") == len(CPUS)
    assert what.count("/dev/vhost-net") == (len(CPUS) if engine.platform.vhost else 0)
    assert engine.versions["vhost"].startswith("yes" if engine.platform.vhost else "no: ")
    queues = inside(tuned, "ls /sys/class/net/eth0/queues").split()
    assert sorted(queues) == sorted(f"{way}-{n}" for way in ("rx", "tx") for n in range(len(CPUS)))


def test_it_has_the_hosts_topology_and_huge_pages_where_there_are_free_ones(
    engine: KvmEngine, tuned: KvmInstance
) -> None:
    told = topology.read(CPUS)
    where = "/sys/devices/system/cpu/cpu[0-9]*/topology"
    sockets = inside(tuned, f"cat {where}/physical_package_id").split()
    cores = inside(tuned, f"cat {where}/core_id").split()
    assert len(cores) == len(CPUS)
    assert len(set(sockets)) == told.sockets
    assert len(set(zip(sockets, cores, strict=True))) == told.sockets * told.cores
    maps = Path(f"/proc/{tuned.hypervisor.pid}/smaps").read_text()
    assert ("KernelPageSize:     2048 kB" in maps) == engine.platform.huge_pages
    assert engine.versions["huge_pages"].startswith("yes" if engine.platform.huge_pages else "no: ")


@pytest.mark.skipif(bool(why_no("legacy")), reason=why_no("legacy"))
def test_legacy_is_an_old_pc_with_its_own_cpu_an_ide_disk_and_an_e1000(engine: KvmEngine) -> None:
    with booted(engine, spec_of(engine, 2, "legacy")) as guest:
        assert ask(guest, "qom-get", path="/machine", property="type").startswith("pc-i440fx")
        assert "QEMU Virtual CPU" in inside(guest, "cat /proc/cpuinfo")
        assert "DRIVER=e1000" in inside(guest, "cat /sys/class/net/eth0/device/uevent")
        assert "/dev/sda / ext4" in inside(guest, "cat /proc/mounts")
        assert "0000:" in inside(guest, "ls /sys/bus/pci/drivers/ata_piix")
