"""A container in a VM: a box in a guest, made by ``ns`` or Docker, under every box's limits."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.trial.box import limits_inside
from runtimes import process
from runtimes.base import Engine, Instance, InstanceSpec, Site
from runtimes.conventions import BOX_PORT
from runtimes.kvm import leftovers
from runtimes.linux import netns
from runtimes.resources import Limits
from tests.support.kvm_boxes import RUNTIME, marks
from tests.support.sites import held_testbed
from tests.support.tiny_rootfs import tiny_rootfs

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

RUN = secrets.token_hex(3)
LIMITS = Limits(cpus=(max(os.sched_getaffinity(0)),), cpu_quota=1.0, memory_bytes=192 << 20)
BOOT_S = 170.0


pytestmark = marks


SLOW = pytest.mark.skipif(
    "TAREBENCH_SOAK" not in os.environ or process.find("dockerd") is None,
    reason="needs dockerd and some minutes, most of them for the guest's disk: set TAREBENCH_SOAK",
)


@pytest.fixture(scope="module", params=["nested-ns", pytest.param("nested-docker", marks=SLOW)])
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engine(profile: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    rootfs = tiny_rootfs(tmp_path_factory.mktemp("rootfs"))
    # Not below pytest's own directory: paths of libvirt's sockets would be too long.
    home = Path(tempfile.mkdtemp(prefix="tb", dir="/var/tmp"))
    (home / "s").mkdir()
    with held_testbed(RUN) as bed:
        site = Site(RUN, home / "s", home / "c", rootfs, bed, LIMITS, lambda _: None)
        with RUNTIME.prepare(site, frozenset({profile})) as made:
            yield made
        assert [path for path in site.state.rglob("*") if path.is_file()] == []
    assert leftovers.guests(RUN) == []
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def box(profile: str, engine: Engine) -> Iterator[Instance]:
    site: Site = engine.site  # type: ignore[attr-defined]  # KvmEngine's
    lease = site.network.lease(1)  # type: ignore[attr-defined]  # Testbed's
    instance = engine.start(InstanceSpec(f"tb-{RUN}-1", profile, LIMITS, lease))
    try:
        instance.agent.hello(BOOT_S)
        yield instance
        instance.stop(30)
        assert "agent exited with 0" in instance.diagnostics()
    finally:
        instance.remove()


def test_the_innermost_box_has_the_limits_of_every_box(box: Instance) -> None:
    read = box.limits()
    assert (read.cpus, read.cpu_quota) == (LIMITS.cpus, LIMITS.cpu_quota)
    assert (read.memory_bytes, read.pids_max) == (LIMITS.memory_bytes, LIMITS.pids_max)
    inside = limits_inside(box.agent.facts(30), 1 << 50)
    assert inside.cpu_quota == LIMITS.cpu_quota
    assert inside.memory_bytes == LIMITS.memory_bytes
    assert inside.cpus is not None
    assert len(inside.cpus) == len(LIMITS.cpus)


def test_it_is_a_whole_box_on_another_kernel(profile: str, box: Instance) -> None:
    facts = box.agent.facts(30)
    assert facts["hostname"] == box.spec.name
    assert facts["seccomp"] == "2"
    assert facts["cap_eff"] == "00000000a80425fb"
    assert facts["kernel"] != os.uname().release
    shown = box.agent.run(["cat", "/proc/self/cgroup"], timeout_s=30)
    assert shown.stdout == b"0::/\n", "pure cgroup v2, and a namespace of it"
    mounts = box.agent.run(["cat", "/proc/mounts"], timeout_s=30).stdout.decode()
    assert mounts.startswith("overlay / overlay rw")
    written = box.agent.run(["sh", "-c", "echo 1 > /proc/sysrq-trigger"], timeout_s=30)
    assert written.status != 0
    mapped = box.agent.run(["cat", "/proc/1/uid_map"], timeout_s=30).stdout.split()
    assert (mapped == [b"0", b"100000", b"65536"]) == (profile == "nested-ns")


def test_its_phases_are_the_vms_and_then_the_containers(profile: str, box: Instance) -> None:
    last = "contained" if profile == "nested-ns" else "engine"
    order = [box.marks[name] for name in ("process", "running", "user_space", last)]
    assert order == sorted(order)


def test_the_peer_reaches_the_box_and_the_box_the_peer(engine: Engine, box: Instance) -> None:
    network = engine.site.network  # type: ignore[attr-defined]  # KvmEngine's
    argv = ["httpd", "-f", "-p", str(BOX_PORT), "-h", "/opt/tarebench"]
    served = box.agent.spawn(argv, timeout_s=60)
    up = f"until wget -qO- http://127.0.0.1:{BOX_PORT}/rootfs.digest; do sleep 0.1; done"
    assert box.agent.run(["sh", "-c", up], timeout_s=30).status == 0
    address, port = box.address()

    def get() -> bytes:
        url = f"http://{address}:{port}/rootfs.digest"
        with urllib.request.urlopen(url, timeout=20) as answer:  # our own server
            return bytes(answer.read())

    read = netns.inside(network.peer_netns, get).decode().strip()
    assert read == engine.bits()["rootfs"] == box.agent.facts(30)["rootfs_digest"]
    served.kill(9)
    refused = box.agent.run(["nc", "-w", "10", network.peer_address, "9"], timeout_s=60)
    assert b"refused" in refused.stderr, "the peer's own answer"


def test_memory_beyond_the_limit_ends_the_program_and_not_the_guest(box: Instance) -> None:
    """The guest is larger than the limit: so the limit is met, and by the box's own cgroup."""
    hungry = "x=0123456789abcdef; while :; do x=$x$x; done"
    done = box.agent.run(["sh", "-c", hungry], timeout_s=120)
    assert done.status == -9
    assert box.agent.run(["echo", "alive"], timeout_s=30).stdout == b"alive\n"
