"""Guests on a tiny root filesystem, and the check that nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.prepare import testbed as wire  # by name, its Testbed would look like a test
from runtimes import process
from runtimes.base import InstanceSpec
from runtimes.faults import RuntimeFault
from runtimes.kvm import KvmRuntime, leftovers
from runtimes.linux import cgroups
from runtimes.resources import Limits
from tests.support.sites import held_testbed, site_of
from tests.support.tiny_rootfs import missing, tiny_rootfs

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm import host, preparation  # needs libvirt
from runtimes.kvm.engine import KvmEngine
from runtimes.kvm.guest import taps  # needs libvirt
from runtimes.kvm.guest.instance import KvmInstance

RUNTIME = KvmRuntime()
LIMITS = Limits(cpus=(max(os.sched_getaffinity(0)),), cpu_quota=1.0, memory_bytes=256 << 20)
BOOT_S = 90.0


def why_not() -> str:
    """Why no guest can be made here; empty where one can."""
    availability = RUNTIME.availability({})
    return "" if availability.ok else availability.reason


def why_no(profile: str) -> str:
    """Why guests of ``profile`` cannot; empty where they can."""
    try:
        preparation.check(frozenset({profile}), host.architecture(), daemon=False)
    except RuntimeFault as fault:
        return f"{fault} ({fault.hint})"
    return ""


marks = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


@contextlib.contextmanager
def kvm_ground(
    run: str, profiles: frozenset[str], temporary: Path, limits: Limits = LIMITS
) -> Iterator[KvmEngine]:
    """An engine for guests of ``profiles``.  What it caches is shared by a session's tests."""
    # Not below pytest's own directory: paths of libvirt's sockets would be too long.
    with (
        tempfile.TemporaryDirectory(prefix="tb", dir="/var/tmp") as where,
        held_testbed(run) as bed,
    ):
        home = Path(where)
        own = site_of(run, home, bed, tiny_rootfs(home / "r"), limits=limits)
        site = replace(own, state=home / "s", cache=temporary / "kvm-cache")
        with RUNTIME.prepare(site, profiles) as made:
            assert isinstance(made, KvmEngine)
            yield made
        assert [path for path in site.state.rglob("*") if path.is_file()] == []
    assert leftovers.guests(run) == []
    assert cgroups.detect().remove_all(run) == []
    tops = Path("/proc/self/mountinfo").read_text().split()
    assert not [top for top in tops if Path(top, "tarebench", run).is_dir()]


def spec_of(engine: KvmEngine, slot: int, profile: str = "micro") -> InstanceSpec:
    """Of the guest in a slot of the testbed."""
    bed, run = engine.site.network, engine.site.run
    assert isinstance(bed, wire.Testbed)
    return InstanceSpec(f"tb-{run}-{slot}", profile, engine.site.limits, bed.lease(slot))


@contextlib.contextmanager
def booted(engine: KvmEngine, spec: InstanceSpec) -> Iterator[KvmInstance]:
    """A guest whose agent has spoken; nothing of it is left."""
    instance = engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        yield instance
    finally:
        instance.remove()
    assert_nothing_left(engine, spec)


def assert_nothing_left(engine: KvmEngine, spec: InstanceSpec) -> None:
    """No file, process, member of a cgroup, tap or macvtap of this guest."""
    run = engine.site.run
    assert engine.connection.root is not None
    for root in (engine.site.state, engine.connection.root):
        left = [path for path in root.rglob(f"*{spec.name}*") if path.exists()]
        assert left == []
    assert spec.name not in [name for _, name in leftovers.guests(run)]
    assert not engine.hierarchy.group(run, spec.name).pids()
    links = ["ip", "-brief", "link", "show", "type", "tun"]
    inside = ["nsenter", f"--net={engine.site.network.host_netns}", *links]
    tap = f"tb{run}v{spec.lease.slot}"
    assert tap not in process.run(inside, timeout_s=10).stdout.decode().split()
    number = taps.device_number(tap, spec.lease.slot)
    assert not Path(f"/dev/tap{number}").exists()


@contextlib.contextmanager
def small_disk(engine: KvmEngine, size: str) -> Iterator[Path]:
    """A file system of its own, of ``size``."""
    where = engine.site.state.parent / "small"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tb-test", str(where)]
    process.run(mount, timeout_s=10)
    try:
        yield where
    finally:
        process.run(["umount", str(where)], timeout_s=10)
        where.rmdir()
