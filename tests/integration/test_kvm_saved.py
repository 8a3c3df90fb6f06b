"""Guests that are restored from one saved state are instances of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.prepare import testbed  # by its module: pytest would take Testbed for a test class
from runtimes import process
from runtimes.base import Engine, Instance, InstanceSpec, Site
from runtimes.faults import RuntimeFault
from runtimes.images.rootfs.rootfs import Rootfs
from runtimes.linux import netns
from tests.support.kvm_boxes import BOOT_S, RUNTIME, marks
from tests.support.tiny_rootfs import tiny_rootfs

QUESTIONS = "cat /sys/class/net/eth0/address; head -c 16 /dev/urandom | md5sum; cat /proc/uptime"


pytestmark = marks


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Rootfs:
    return tiny_rootfs(tmp_path_factory.mktemp("rootfs"))


@pytest.fixture(scope="module")
def engine(site: Site, tiny: Rootfs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    state = site.state / RUNTIME.name
    state.mkdir()
    own = replace(site, state=state, rootfs=tiny, cache=tmp_path_factory.mktemp("cache"))
    with RUNTIME.prepare(own, frozenset({"snapshot", "micro"})) as prepared:
        yield prepared


@pytest.fixture
def two(engine: Engine, site: Site, bed: testbed.Testbed) -> Iterator[list[Instance]]:
    with contextlib.ExitStack() as stack:
        guests: list[Instance] = []
        for slot in (21, 22):
            spec = InstanceSpec(f"tb-{site.run}-{slot}", "snapshot", site.limits, bed.lease(slot))
            guests.append(engine.start(spec))
            stack.callback(guests[-1].remove)
            guests[-1].agent.hello(BOOT_S)
        yield guests


def test_two_copies_differ_in_all_that_tells_instances_apart(
    two: list[Instance], bed: testbed.Testbed
) -> None:
    answers = [guest.agent.run(["sh", "-c", QUESTIONS], timeout_s=30) for guest in two]
    macs, random, _ = zip(*(answer.stdout.decode().splitlines() for answer in answers), strict=True)
    assert list(macs) == [guest.spec.lease.mac for guest in two]
    assert random[0] != random[1], "both draw the same random numbers"
    assert [guest.agent.facts()["hostname"] for guest in two] == [g.spec.name for g in two]
    for guest in two:
        ping = ["busybox", "ping", "-c", "1", "-W", "10", guest.spec.lease.address]
        netns.inside(bed.host_netns, lambda ping=ping: process.run(ping, timeout_s=20))


def test_a_restored_guest_has_not_booted_and_ends_in_order(two: list[Instance]) -> None:
    for guest in two:
        assert "user_space" not in guest.marks
        assert guest.marks["process"] < guest.marks["restored"] < guest.marks["running"]
        guest.stop(20)
        assert "guest_off" in guest.marks


def test_a_volume_is_refused_before_anything_starts(
    engine: Engine, site: Site, bed: testbed.Testbed, tmp_path: Path
) -> None:
    spec = InstanceSpec(f"tb-{site.run}-23", "snapshot", site.limits, bed.lease(23), tmp_path)
    with pytest.raises(RuntimeFault, match="takes no volume") as caught:
        engine.start(spec)
    assert "micro" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_profile_that_was_not_prepared_is_named(
    engine: Engine, site: Site, bed: testbed.Testbed
) -> None:
    spec = InstanceSpec(f"tb-{site.run}-24", "default", site.limits, bed.lease(24))
    with pytest.raises(RuntimeFault, match="default of kvm is not prepared") as caught:
        engine.start(spec)
    assert "snapshot" in caught.value.hint
