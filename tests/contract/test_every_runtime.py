"""One suite that every runtime passes: what the trial engine relies on, for each kind of box."""

from __future__ import annotations

import itertools
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.host.facts import facts as host_facts
from harness.prepare import testbed  # by its module: pytest would take Testbed for a test class
from harness.trial.box import limits_inside
from runtimes.agent.channel import AgentFault
from runtimes.base import DEFAULT_PROFILE, Capability, Engine, InstanceSpec, Runtime, Site
from runtimes.conventions import AGENT_PATH
from runtimes.linux import netns
from workloads import web

BOOT_S = 60.0
_numbers = itertools.count()


@pytest.fixture
def spec(site: Site, bed: testbed.Testbed) -> InstanceSpec:
    number = next(_numbers)
    return InstanceSpec(
        name=f"tb-{site.run}-{number}",
        profile=DEFAULT_PROFILE,
        limits=site.limits,
        lease=bed.lease(number % bed.slots),
    )


def real(runtime: Runtime) -> bool:
    return Capability.IMAGINARY not in runtime.capabilities


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that the host's init has not taken yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def test_a_box_says_hello_runs_commands_and_is_gone_when_removed(
    engine: Engine, spec: InstanceSpec
) -> None:
    before = time.monotonic_ns()
    instance = engine.start(spec)
    try:
        first_byte = instance.agent.hello(BOOT_S)
        assert before < first_byte < time.monotonic_ns()
        assert instance.agent.run(["true"], timeout_s=10).status == 0
        assert instance.agent.run(["false"], timeout_s=10).status == 1
        pids = instance.stats().pids
        instance.stop(10)
        instance.wait(1)
    finally:
        instance.remove()
    instance.remove()
    assert not [pid for pid in pids if alive(pid)]


def test_the_box_runs_the_one_root_filesystem(
    engine: Engine, spec: InstanceSpec, site: Site
) -> None:
    instance = engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        assert instance.agent.facts()["rootfs_digest"] == site.rootfs.digest
        assert instance.agent.digest(AGENT_PATH) == site.rootfs.program_digest(AGENT_PATH)
        assert engine.bits()["rootfs"] == site.rootfs.digest
    finally:
        instance.remove()


def test_limits_are_enforced_as_planned(engine: Engine, spec: InstanceSpec) -> None:
    instance = engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        outside = instance.limits()
        inside = limits_inside(instance.agent.facts(), host_facts()["memory_bytes"])
        assert outside.cpus == spec.limits.cpus
        assert outside.cpu_quota == pytest.approx(spec.limits.cpu_quota, rel=0.02)
        assert outside.memory_bytes == spec.limits.memory_bytes
        assert inside.cpus is not None
        assert len(inside.cpus) == len(spec.limits.cpus)
    finally:
        instance.remove()


def test_a_box_that_is_removed_while_it_runs_is_gone(
    runtime: Runtime, engine: Engine, spec: InstanceSpec
) -> None:
    instance = engine.start(spec)
    instance.agent.hello(BOOT_S)
    pids = instance.stats().pids
    if real(runtime):
        assert pids
    instance.remove()
    assert not [pid for pid in pids if alive(pid)]
    with pytest.raises(AgentFault):
        instance.agent.run(["true"], timeout_s=1)


def test_a_box_that_never_said_hello_can_be_removed(engine: Engine, spec: InstanceSpec) -> None:
    engine.start(spec).remove()


def test_a_command_that_outlives_its_limit_is_ended(engine: Engine, spec: InstanceSpec) -> None:
    instance = engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        result = instance.agent.run(["sleep", "60"], timeout_s=0.3)
        assert result.timed_out
        assert instance.agent.run(["true"], timeout_s=10).status == 0
    finally:
        instance.remove()


def test_the_peer_reaches_a_server_in_the_box(
    runtime: Runtime, engine: Engine, spec: InstanceSpec, bed: testbed.Testbed
) -> None:
    if Capability.NETWORK not in runtime.capabilities:
        pytest.skip(f"{runtime.name} has no network")
    instance = engine.start(spec)
    try:
        instance.agent.hello(BOOT_S)
        served = instance.agent.run(web.SERVER.argv, timeout_s=60)
        assert served.status == 0, served.stderr
        with netns.inside(bed.peer_netns, socket.socket) as connection:
            connection.settimeout(20)
            connection.connect(instance.address())
            connection.sendall(b"GET / HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        instance.remove()


def test_several_boxes_live_side_by_side(
    engine: Engine, spec: InstanceSpec, bed: testbed.Testbed
) -> None:
    other = replace(spec, name=f"{spec.name}x", lease=bed.lease(spec.lease.slot + 100))
    first = engine.start(spec)
    try:
        second = engine.start(other)
        try:
            for instance in (first, second):
                instance.agent.hello(BOOT_S)
                assert instance.agent.run(["true"], timeout_s=10).status == 0
            assert not set(first.stats().pids) & set(second.stats().pids)
        finally:
            second.remove()
        assert first.agent.run(["true"], timeout_s=10).status == 0
    finally:
        first.remove()


def test_versions_name_every_engine(runtime: Runtime, engine: Engine) -> None:
    assert engine.versions
    assert all(engine.versions.values()), runtime.name
