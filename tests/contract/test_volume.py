"""Every kind of box gets the volume that it is given, and leaves the host's disk as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.prepare import testbed  # by its module: pytest would take Testbed for a test class
from runtimes.base import Engine, Instance, InstanceSpec, Runtime, Site
from runtimes.conventions import VOLUME_PATH
from runtimes.faults import RuntimeFault
from tests.support import flushes
from tests.support.registered import REAL, arm_of

BOOT_S = 120.0
BYTES = 3 << 20
WRITES = 8
FLUSHES = WRITES - 1
"""fio flushes before a write if the one before it was not: not after the last."""
FLUSHED = [
    *("fio", "--name=flushed", f"--filename={VOLUME_PATH}/fio", "--size=3M", "--rw=write"),
    *("--bs=4k", f"--number_ios={WRITES}", "--direct=1", "--fdatasync=1", "--ioengine=psync"),
]
KINDS = ("kvm:qcow2", "kvm:9p", "kvm:virtiofs")
"""Beside the raw disk of kvm's default."""


@pytest.fixture(scope="module", params=[*REAL, *KINDS])
def arm(request: pytest.FixtureRequest) -> tuple[Runtime, str]:
    return arm_of(request.param)


@pytest.fixture(scope="module")
def engine(arm: tuple[Runtime, str], site: Site) -> Iterator[Engine]:
    runtime, profile = arm
    state = site.state / f"{runtime.name}-{profile}"
    with contextlib.ExitStack() as stack:
        try:
            manager = runtime.prepare(replace(site, state=state), frozenset({profile}))
        except RuntimeFault as fault:
            pytest.skip(f"{runtime.name}:{profile} cannot be had here: {fault} ({fault.hint})")
        state.mkdir()
        yield stack.enter_context(manager)


@pytest.fixture
def volume(site: Site) -> Iterator[Path]:
    directory = site.state / "volume"
    directory.mkdir()
    yield directory
    for left in directory.iterdir():
        left.unlink()
    directory.rmdir()


@pytest.fixture
def spec(site: Site, bed: testbed.Testbed, volume: Path, arm: tuple[Runtime, str]) -> InstanceSpec:
    return InstanceSpec(f"tb-{site.run}-7", arm[1], site.limits, bed.lease(7), volume=volume)


@pytest.fixture
def box(engine: Engine, spec: InstanceSpec) -> Iterator[Instance]:
    instance = engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        yield instance
        instance.stop(20)
    finally:
        instance.remove()


def test_a_volume_is_the_hosts_disk_takes_direct_writes_and_honours_flushes(
    box: Instance, volume: Path
) -> None:
    elsewhere = ["grep", "-q", f" {VOLUME_PATH} ", "/proc/self/mountinfo"]
    assert box.agent.run(elsewhere, timeout_s=20).status == 0, "it is on the box's root"
    fill = ["dd", "if=/dev/urandom", f"of={VOLUME_PATH}/fio", "bs=1M", "count=3", "conv=fsync"]
    done = box.agent.run(fill, timeout_s=60)
    assert done.status == 0, done.stderr
    on_disk = sum(path.stat().st_blocks * 512 for path in volume.iterdir())
    assert on_disk >= BYTES
    why = flushes.objection(volume)
    with contextlib.nullcontext() if why else flushes.counted() as count:
        before = flush_operations(box)
        done = box.agent.run(FLUSHED, timeout_s=60)
        assert done.status == 0, done.stdout
        if count is not None:
            assert count(next(volume.iterdir())) >= FLUSHES
    if before is not None:  # what QEMU itself was told, where the volume is a disk
        assert (flush_operations(box) or 0) - before >= FLUSHES


def flush_operations(box: Instance) -> int | None:
    """How often the guest had the volume's disk flushed; ``None`` where it is none."""
    domain = getattr(box, "domain", None)
    if domain is None or 'dev="vdb"' not in domain.XMLDesc().replace("'", '"'):
        return None
    return int(domain.blockStatsFlags("vdb")["flush_operations"])
