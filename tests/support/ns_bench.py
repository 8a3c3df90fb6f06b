"""A prepared ``ns`` engine on a tiny root filesystem, to start boxes with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtimes.launcher import compiled
from runtimes.launcher.instance import LaunchedInstance
from runtimes.ns import NamespaceRuntime
from runtimes.ns.engine import NamespaceEngine, prepared
from runtimes.ns.profiles.catalogue import CATALOGUE
from tests.support import brought
from tests.support.sites import Ground, ground
from tests.support.tiny_rootfs import missing

PROGRAM = ["/bin/busybox"]


@dataclass(frozen=True)
class Bench(Ground):
    """What a test starts boxes with."""

    engine: NamespaceEngine

    @contextlib.contextmanager
    def box(self, profile: str = "default", slot: int = 0) -> Iterator[LaunchedInstance]:
        """A box that has greeted."""
        instance = self.engine.start(self.spec(slot, profile))
        try:
            instance.agent.hello(10)
            yield instance
        finally:
            instance.remove()


@contextlib.contextmanager
def opened_bench(run: str, where: Path) -> Iterator[Bench]:
    """Prepare everything below ``where``; skips, with the reason, where ``ns`` cannot run."""
    with (
        ground(NamespaceRuntime(), run, where) as made,
        prepared(made.site, frozenset(CATALOGUE)) as engine,
    ):
        yield Bench(made.site, made.bed, engine)


def home_of_boxes_by_hand(home: Path) -> Path:
    """``home``, with the launcher in its cache; skips, with the reason, where ``ns`` cannot run."""
    why = NamespaceRuntime().availability({})
    if not why.ok:
        pytest.skip(f"ns cannot run here: {why.reason}")
    if missing():
        pytest.skip(missing())
    brought.launcher(home / "cache")
    compiled(home / "cache", print)
    return home


def shell(instance: LaunchedInstance, script: str) -> str:
    """Standard output of a script in the box."""
    done = instance.agent.run([*PROGRAM, "sh", "-c", script], timeout_s=20)
    return done.stdout.decode()
