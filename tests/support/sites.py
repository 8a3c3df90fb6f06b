"""A testbed and a site on a tiny root filesystem, for tests of one runtime."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.directories import places
from harness.host import lock
from harness.prepare import testbed
from runtimes import directories
from runtimes.base import InstanceSpec, Network, Runtime, Site
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.linux.ids.rights import is_host_root
from runtimes.resources import Limits
from tests.support import brought
from tests.support.tiny_rootfs import missing, tiny_rootfs

LIMITS = Limits((0,), 0.5, 64 << 20)


@dataclass(frozen=True)
class Ground:
    """Where a test's boxes are made."""

    site: Site
    bed: testbed.Testbed

    def spec(self, slot: int = 0, profile: str = "default") -> InstanceSpec:
        """A box at the testbed's address number ``slot``."""
        name = f"tb-{self.site.run}-{slot}"
        return InstanceSpec(name, profile, self.site.limits, self.bed.lease(slot))


@contextlib.contextmanager
def held_testbed(run: str) -> Iterator[testbed.Testbed]:
    """A testbed of a run that is known to live.

    Several checkouts share a host: without it, another one's ``invoke clean`` takes what the run
    has for what a dead one left, and removes it.
    """
    with lock.alive(run), testbed.testbed(run) as bed:
        yield bed


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """A directory for a site, not below pytest's own.

    The root of a user namespace must be able to walk to a box's files, and paths of sockets are
    limited.
    """
    base = directories.made(places().state, "TAREBENCH_STATE", walked=True)
    where = directories.closed(base / f"test-{secrets.token_hex(3)}", walked=True)
    try:
        yield where
    finally:
        shutil.rmtree(where)


def site_of(
    run: str,
    where: Path,
    network: Network,
    rootfs: Rootfs,
    *,
    limits: Limits = LIMITS,
    options: Mapping[str, str] | None = None,
) -> Site:
    """A run's site with everything below ``where``."""
    return Site(
        run=run,
        state=where / "state",
        cache=where / "cache",
        rootfs=rootfs,
        network=network,
        limits=limits,
        progress=lambda _: None,
        options=options or {},
    )


@contextlib.contextmanager
def ground(
    runtime: Runtime,
    run: str,
    where: Path,
    *,
    limits: Limits = LIMITS,
    options: Mapping[str, str] | None = None,
) -> Iterator[Ground]:
    """Everything below ``where``; skips, with the reason, where ``runtime`` cannot run."""
    if not is_host_root():
        pytest.skip("needs root: a testbed is made")
    why = runtime.availability(options or {})
    if not why.ok:
        pytest.skip(f"{runtime.name} cannot run here: {why.reason}")
    if missing():
        pytest.skip(missing())
    with held_testbed(run) as bed:
        rootfs = tiny_rootfs(where / "rootfs")
        brought.launcher(where / "cache")
        yield Ground(site_of(run, where, bed, rootfs, limits=limits, options=options), bed)
