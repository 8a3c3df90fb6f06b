"""A full Debian through firmware, GRUB and systemd, around the real root filesystem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.prepare import testbed  # by its module: pytest would take Testbed for a test class
from runtimes.base import Engine, InstanceSpec, Site
from runtimes.conventions import AGENT_PATH
from tests.support.kvm_boxes import RUNTIME, why_no, why_not

BOOT_S = 280.0


WHY_NOT = why_not() or why_no("stock")

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(900),  # the first time, its packages are fetched and installed
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT),
]


@pytest.fixture(scope="module")
def engine(site: Site) -> Iterator[Engine]:
    state = site.state / RUNTIME.name
    state.mkdir()
    with RUNTIME.prepare(replace(site, state=state), frozenset({"stock"})) as prepared:
        yield prepared


def test_the_full_vm_runs_the_same_programs_under_systemd(
    engine: Engine, site: Site, bed: testbed.Testbed
) -> None:
    lease = bed.lease(11)
    instance = engine.start(InstanceSpec(f"tb-{site.run}-11", "stock", site.limits, lease))
    try:
        instance.agent.hello(BOOT_S)
        facts = instance.agent.facts(60)
        assert facts["hostname"] == f"tb-{site.run}-11"
        assert facts["rootfs_digest"] == site.rootfs.digest == engine.bits()["rootfs"]
        digest = instance.agent.digest(AGENT_PATH, 60)
        assert digest == site.rootfs.program_digest(AGENT_PATH)
        said = instance.agent.run(["sh", "-c", QUESTIONS], timeout_s=120).stdout.decode()
        assert "systemd\n" in said, "process 1"
        assert f"inet {lease.address}/24" in said
        assert "ssh.service" in said
        assert "nginx" not in said
        order = [instance.marks[name] for name in ("api_call", "process", "running", "user_space")]
        assert order == sorted(order)
        instance.stop(120)
        assert "guest_off" in instance.marks, "it was killed, not switched off"
    finally:
        instance.remove()


QUESTIONS = (
    "cat /proc/1/comm; ip -4 addr; ls /etc/systemd/system/multi-user.target.wants; "
    "ls /sys/fs/cgroup/cgroup.controllers"
)
