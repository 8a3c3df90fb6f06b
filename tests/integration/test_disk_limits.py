"""A limit of disk by its effect, by whichever way this host has: quotas in a guest, else images."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.clean import clean
from harness.gates.limits import DISK_SLACK_BYTES
from runtimes import process
from runtimes.base import Engine, Instance, Runtime, Site
from runtimes.conventions import ROOT_SCRATCH, VOLUME_PATH
from runtimes.docker import DockerRuntime
from runtimes.linux import disk
from runtimes.linux.disk import project
from runtimes.native import NativeRuntime
from runtimes.ns import NamespaceRuntime
from tests.support.full_disks import LIMIT, MIB, box, is_full, written
from tests.support.ns_bench import home_of_boxes_by_hand
from tests.support.sites import LIMITS, Ground, ground, short_directory
from tests.support.tiny_rootfs import tiny_rootfs

pytestmark = pytest.mark.root

HOW = os.environ.get("TAREBENCH_TEST_DISK", "")
"""The way that has to be there; empty: any."""
ARMS: dict[str, tuple[Runtime, str]] = {
    "ns": (NamespaceRuntime(), "default"),
    "ns:no-userns": (NamespaceRuntime(), "no-userns"),
    "native": (NativeRuntime(), "default"),
    "docker": (DockerRuntime(), "default"),
}


@dataclass(frozen=True)
class Limited:
    """One arm's engine."""

    engine: Engine
    ground: Ground
    site: Site
    profile: str

    @contextlib.contextmanager
    def box(self, slot: int) -> Iterator[Instance]:
        """A box that has greeted."""
        with box(self.engine, self.site, self.ground.bed.lease(slot), self.profile) as one:
            yield one


@pytest.fixture(scope="module", params=list(ARMS))
def limited(
    request: pytest.FixtureRequest,
    root_needed: None,  # noqa: ARG001  # order only
) -> Iterator[Limited]:
    runtime, profile = ARMS[request.param]
    limits = replace(LIMITS, disk_bytes=LIMIT, memory_bytes=256 << 20)
    with short_directory() as where:
        keeper = disk.choose(where, LIMIT)
        assert not HOW or keeper.how == HOW, keeper.why
        if not keeper.keeps:
            pytest.skip(f"no limit of disk can be kept here: {keeper.why}")
        with (
            ground(runtime, secrets.token_hex(3), where, limits=limits) as made,
            runtime.prepare(made.site, frozenset({profile})) as engine,
        ):
            yield Limited(engine, made, made.site, profile)


@pytest.mark.parametrize("where", [ROOT_SCRATCH, VOLUME_PATH])
def test_a_box_is_stopped_at_its_limit_and_its_neighbour_is_not(
    limited: Limited, where: str
) -> None:
    with limited.box(0) as one, limited.box(1) as other:
        size, said = written(one, where, 2 * LIMIT // MIB)
        assert is_full(said), said
        assert 0.9 * LIMIT < size <= LIMIT + DISK_SLACK_BYTES
        size, said = written(other, where, LIMIT // MIB // 2)
        assert size == LIMIT // MIB // 2 * MIB, said


def test_the_limit_is_read_back_outside_and_inside(limited: Limited) -> None:
    with limited.box(2) as one:
        inside = int(one.agent.facts()["disk_free_bytes"])
        for seen in (one.limits().disk_bytes, inside):
            assert abs((seen or 0) - LIMIT) <= DISK_SLACK_BYTES


def test_a_box_by_hand_keeps_its_limit(
    root_needed: None,  # noqa: ARG001  # order only
) -> None:
    with short_directory() as home:
        if not disk.choose(home, LIMIT).keeps:
            pytest.skip("no limit of disk can be kept here")
        home_of_boxes_by_hand(home)
        root = tiny_rootfs(home / "rootfs").directory
        places = {"TAREBENCH_STATE": str(home / "state"), "TAREBENCH_CACHE": str(home / "cache")}
        script = f"dd if=/dev/zero of=/big bs=1M count={2 * LIMIT // MIB} 2>&1; wc -c < /big"
        argv = [sys.executable, "-m", "runtimes.standalone.box", "run", "--layers", str(root)]
        argv += ["--disk", f"{LIMIT // MIB}m", "--", "/bin/busybox", "sh", "-c", script]
        done = subprocess.run(
            argv,
            env={**process.ENVIRONMENT, **places},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert is_full(done.stdout), done.stdout
        assert int(done.stdout.split()[-1]) <= LIMIT + DISK_SLACK_BYTES
        assert not (home / "state").exists()


@pytest.mark.skipif(HOW != "quota", reason="this file system has no project quotas: in a guest")
def test_a_killed_runs_quotas_are_forgotten_with_its_files(
    root_needed: None,  # noqa: ARG001  # order only
) -> None:
    with short_directory() as home:
        run = "abcdef"
        left = home / run / "ns" / "tb-abcdef-0"
        left.mkdir(parents=True)
        number = project.limited(left, LIMIT).number
        assert project.number_of(left) == number
        assert project._usage(home, number)[0] == LIMIT
        clean.clean_run(run, home, {})
        assert project._usage(home, number)[0] == 0
        home.mkdir(exist_ok=True)
