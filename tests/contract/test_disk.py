"""No kind of box writes more than its limit of disk, to its root or to its volume."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.gates.limits import DISK_SLACK_BYTES
from harness.prepare import testbed  # by its module: pytest would take Testbed for a test class
from harness.trial.box import limits_inside
from runtimes.base import Engine, Instance, Runtime, Site
from runtimes.conventions import ROOT_SCRATCH, VOLUME_PATH
from runtimes.faults import RuntimeFault
from runtimes.linux.disk import choose
from runtimes.linux.disk.keeper import UNENFORCED
from tests.support.full_disks import LIMIT, MIB, box, devices, is_full, written
from tests.support.registered import REAL, arm_of

GONE_S = 20.0
FURTHER = ("ns:no-userns", "ns:volatile", "kvm:qcow2")


@pytest.fixture(scope="module", params=[*REAL, *FURTHER])
def arm(request: pytest.FixtureRequest) -> tuple[Runtime, str]:
    return arm_of(request.param)


@pytest.fixture(scope="module")
def limited(site: Site) -> Site:
    keeper = choose(site.state, LIMIT)
    if not keeper.keeps:
        pytest.skip(f"no limit of disk can be kept here: {keeper.why}")
    return replace(site, limits=replace(site.limits, disk_bytes=LIMIT))


@pytest.fixture(scope="module")
def engine(arm: tuple[Runtime, str], limited: Site) -> Iterator[Engine]:
    runtime, profile = arm
    state = limited.state / f"{runtime.name}-{profile}-disk"
    with contextlib.ExitStack() as stack:
        try:
            manager = runtime.prepare(replace(limited, state=state), frozenset({profile}))
        except RuntimeFault as fault:
            pytest.skip(f"{runtime.name}:{profile} cannot be had here: {fault} ({fault.hint})")
        state.mkdir()
        made = stack.enter_context(manager)
        if UNENFORCED in made.conditions(profile):
            pytest.skip(f"{runtime.name} keeps its files where no limit can be kept")
        yield made


@pytest.fixture
def one(
    engine: Engine, limited: Site, bed: testbed.Testbed, arm: tuple[Runtime, str]
) -> Iterator[Instance]:
    with box(engine, limited, bed.lease(7), arm[1]) as instance:
        yield instance


def test_the_limit_is_read_back_outside_and_inside(one: Instance) -> None:
    outside, inside = one.limits().disk_bytes, limits_inside(one.agent.facts(), 1 << 62).disk_bytes
    assert outside is not None
    assert inside is not None
    assert abs(outside - LIMIT) <= DISK_SLACK_BYTES
    assert abs(inside - LIMIT) <= DISK_SLACK_BYTES


@pytest.mark.parametrize("where", [ROOT_SCRATCH, VOLUME_PATH])
def test_a_box_is_stopped_at_its_limit(one: Instance, where: str) -> None:
    size, said = written(one, where, 2 * LIMIT // MIB)
    assert is_full(said), said
    assert 0.9 * LIMIT < size <= LIMIT + DISK_SLACK_BYTES
    assert one.stats().disk_bytes < 2 * LIMIT


def test_a_neighbour_keeps_its_space_and_nothing_is_left(
    one: Instance,
    engine: Engine,
    limited: Site,
    bed: testbed.Testbed,
    arm: tuple[Runtime, str],
) -> None:
    _, said = written(one, ROOT_SCRATCH, 2 * LIMIT // MIB)
    assert is_full(said), said
    with box(engine, limited, bed.lease(8), arm[1]) as other:
        size, said = written(other, ROOT_SCRATCH, LIMIT // MIB // 2)
        assert size == LIMIT // MIB // 2 * MIB, said
    one.remove()
    end = time.monotonic() + GONE_S
    while devices(limited) and time.monotonic() < end:
        time.sleep(0.05)
    assert not devices(limited)
