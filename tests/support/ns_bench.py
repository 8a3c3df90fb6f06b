"""A testbed and a prepared ``ns`` engine on a tiny root filesystem, to start boxes with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import testbed
from runtimes.base import InstanceSpec, Limits, Site
from runtimes.ids.rights import is_host_root
from runtimes.launcher.instance import LaunchedInstance
from runtimes.namespaces import NamespaceRuntime
from runtimes.namespaces.catalogue import CATALOGUE
from runtimes.namespaces.engine import NamespaceEngine, prepared
from tests.support.tiny_rootfs import missing, tiny_rootfs

LIMITS = Limits((0,), 0.5, 64 << 20)
PROGRAM = ["/bin/busybox"]


@dataclass(frozen=True)
class Bench:
    """What a test starts boxes with."""

    site: Site
    bed: testbed.Testbed
    engine: NamespaceEngine

    def spec(self, slot: int, profile: str = "default") -> InstanceSpec:
        name = f"tb-{self.site.run}-{slot}"
        return InstanceSpec(name, profile, LIMITS, self.bed.lease(slot))

    @contextlib.contextmanager
    def box(self, profile: str = "default", slot: int = 0) -> Iterator[LaunchedInstance]:
        instance = self.engine.start(self.spec(slot, profile))
        try:
            instance.agent.hello(10)
            yield instance
        finally:
            instance.remove()


@contextlib.contextmanager
def opened_bench(run: str, where: Path) -> Iterator[Bench]:
    """Prepare everything below ``where``; skips, with the reason, where ``ns`` cannot run."""
    if not is_host_root():
        pytest.skip("needs root: namespaces and cgroups are made")
    why = NamespaceRuntime().availability({})
    if not why.ok:
        pytest.skip(f"ns cannot run here: {why.reason}")
    if missing():
        pytest.skip(missing())
    with testbed.testbed(run) as bed:
        site = Site(
            run=run,
            state=where / "state",
            cache=where / "cache",
            rootfs=tiny_rootfs(where / "rootfs"),
            network=bed,
            limits=LIMITS,
            progress=lambda _: None,
        )
        with prepared(site, frozenset(CATALOGUE)) as engine:
            yield Bench(site, bed, engine)


def shell(instance: LaunchedInstance, script: str) -> str:
    """Standard output of a script in the box."""
    done = instance.agent.run([*PROGRAM, "sh", "-c", script], timeout_s=20)
    return done.stdout.decode()
