"""Every kind of box gets the volume that it is given, and leaves the host's disk as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import testbed  # by its module: pytest would take Testbed for a test class
from runtimes.base import (
    DEFAULT_PROFILE,
    VOLUME_PATH,
    Engine,
    InstanceSpec,
    Site,
)

BOOT_S = 120.0
BYTES = 3 << 20


@pytest.fixture
def volume(site: Site) -> Iterator[Path]:
    directory = site.state / "volume"
    directory.mkdir()
    yield directory
    for left in directory.iterdir():
        left.unlink()
    directory.rmdir()


@pytest.fixture
def spec(site: Site, bed: testbed.Testbed, volume: Path) -> InstanceSpec:
    return InstanceSpec(
        f"tb-{site.run}-7", DEFAULT_PROFILE, site.limits, bed.lease(7), volume=volume
    )


def test_a_box_writes_to_its_volume_what_is_on_the_hosts_disk(
    real_engine: Engine, spec: InstanceSpec, volume: Path
) -> None:
    instance = real_engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        file = f"of={VOLUME_PATH}/written"
        argv = ["dd", "if=/dev/urandom", file, "bs=1M", "count=3", "conv=fsync"]
        done = instance.agent.run(argv, timeout_s=60)
        assert done.status == 0, done.stderr
        elsewhere = ["grep", "-q", f" {VOLUME_PATH} ", "/proc/self/mountinfo"]
        assert instance.agent.run(elsewhere, timeout_s=20).status == 0, "it is on the box's root"
        on_disk = sum(path.stat().st_blocks * 512 for path in volume.iterdir())
        assert on_disk >= BYTES
        instance.stop(20)
    finally:
        instance.remove()
    assert volume.is_dir()


def test_direct_writes_bypass_the_boxs_cache(real_engine: Engine, spec: InstanceSpec) -> None:
    instance = real_engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        file = f"of={VOLUME_PATH}/direct"
        argv = ["dd", "if=/dev/zero", file, "bs=64k", "count=8", "oflag=direct"]
        done = instance.agent.run(argv, timeout_s=60)
        assert done.status == 0, done.stderr
        instance.stop(20)
    finally:
        instance.remove()
