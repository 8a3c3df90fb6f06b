"""Boxes of a Docker daemon of the test's own, on a tiny root filesystem."""

from __future__ import annotations

import contextlib
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.prepare import testbed as wire  # by name, its Testbed would look like a test
from runtimes.base import InstanceSpec, Site
from runtimes.docker import DockerRuntime, locate
from runtimes.docker.engine import DockerEngine
from runtimes.docker.instance import DockerInstance
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.linux import netns
from runtimes.resources import Limits
from tests.support.sites import held_testbed
from tests.support.tiny_rootfs import missing, tiny_rootfs

RUNTIME = DockerRuntime()
LIMITS = Limits(cpus=(0,), cpu_quota=0.5, memory_bytes=192 << 20)
HELLO_S = 20.0


def _why_not() -> str:
    if os.geteuid() != 0:
        return "only root may start a Docker daemon"
    availability = RUNTIME.availability({locate.OPTION: locate.PRIVATE})
    return "" if availability.ok else availability.reason


marks = [
    pytest.mark.root,
    pytest.mark.skipif(bool(_why_not()), reason=_why_not()),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


def docker_site(
    run: str,
    home: Path,
    rootfs: Rootfs,
    bed: wire.Testbed,
    *,
    progress: Callable[[str], None] = lambda _: None,
    daemon: str = locate.PRIVATE,
) -> Site:
    """A site for boxes of ``daemon``, below ``home``."""
    return Site(
        run=run,
        state=home / "state",
        cache=home / "cache",
        rootfs=rootfs,
        network=bed,
        limits=LIMITS,
        progress=progress,
        options={locate.OPTION: daemon},
    )


@contextlib.contextmanager
def docker_ground(run: str, home: Path) -> Iterator[tuple[Site, wire.Testbed]]:
    """A site below ``home`` on a tiny root filesystem, and its testbed."""
    rootfs = tiny_rootfs(home / "rootfs")
    with held_testbed(run) as bed:
        yield docker_site(run, home / "docker", rootfs, bed), bed


@contextlib.contextmanager
def box(
    engine: DockerEngine, bed: wire.Testbed, slot: int = 0, profile: str = "default"
) -> Iterator[DockerInstance]:
    """A box that has greeted."""
    spec = InstanceSpec(f"tb-{engine.run}-{slot}", profile, LIMITS, bed.lease(slot))
    instance = engine.start(spec)
    try:
        instance.agent.hello(HELLO_S)
        yield instance
        instance.stop(5)
    finally:
        instance.remove()


def fetch(bed: wire.Testbed, address: tuple[str, int]) -> bytes:
    """What a box's server answers to the peer."""
    url = f"http://{address[0]}:{address[1]}/rootfs.digest"

    def get() -> bytes:
        with urllib.request.urlopen(url, timeout=5) as answer:  # our own server
            return bytes(answer.read())

    return netns.inside(bed.peer_netns, get)
