"""Boxes that write until they are stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from runtimes.base import Engine, Instance, InstanceSpec, Lease, Site

BOOT_S = 120.0
WRITE_S = 120.0
LIMIT = 48 << 20
MIB = 1 << 20


@contextlib.contextmanager
def box(engine: Engine, site: Site, lease: Lease, profile: str) -> Iterator[Instance]:
    """A box with a volume; neither leaves a file of its own."""
    volume = site.state / f"disk-volume-{lease.slot}"
    volume.mkdir(parents=True)
    name = f"tb-{site.run}-{lease.slot}"
    instance = engine.start(InstanceSpec(name, profile, site.limits, lease, volume=volume))
    try:
        instance.agent.hello(BOOT_S)
        yield instance
    finally:
        instance.remove()
    for left in volume.iterdir():
        if left.is_file():
            left.unlink()
    volume.rmdir()
    assert not [*site.state.rglob(f"{name}.disk"), *site.state.rglob(f"{volume.name}.disk")]


def written(instance: Instance, where: str, mebibytes: int) -> tuple[int, str]:
    """Bytes that a box could write to a file, and what it was told in the end."""
    script = (
        f"dd if=/dev/zero of={where}/big bs=1048576 count={mebibytes} conv=fsync 2>&1; "
        f"echo size $(wc -c < {where}/big)"
    )
    done = instance.agent.run(["/bin/sh", "-c", script], timeout_s=WRITE_S)
    said = done.stdout.decode()
    return int(said.rpartition("size ")[2]), said


def is_full(said: str) -> bool:
    """Whether a program was told that there is no space: ENOSPC of XFS and images, or EDQUOT."""
    return "No space left" in said or "quota exceeded" in said.lower()


def devices(site: Site) -> list[str]:
    """Loop devices on files of a site."""
    found = []
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            text = file.read_text()
            if str(site.state) in text:
                found.append(text.strip())
    return found
