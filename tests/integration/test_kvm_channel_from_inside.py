"""A job of a guest that goes for its agent's virtio port.

Linux lets a port be opened once, and the agent has it open; so no name of it, old or new, helps
even root.  But root of a guest may also take the agent's descriptor, or its place: what it says
then is a typed fault of its own guest.  The channels of other boxes: test_channel_from_inside.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.agent.channel import AgentFault
from runtimes.faults import RuntimeFault
from tests.support.escapes import PROGRAM, attack, compiled
from tests.support.forged import FORGED_END, LATER, frame
from tests.support.kvm_boxes import booted, kvm_ground, marks, spec_of

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm.engine import KvmEngine
from runtimes.kvm.guest.instance import KvmInstance

pytestmark = marks
ALIVE = ["/bin/busybox", "true"]
STAY = "exec /bin/busybox sleep 1"
JOB = 2
"""What the host calls the first one after the attack program has been brought."""
FIND = """\
for each in /proc/$PPID/fd/*; do
    case $(/bin/busybox readlink $each) in /dev/vport*) descriptor=${each##*/} ;; esac
done
"""
"""The agent's descriptor of its port: in a guest a job may look."""
SEIZE = """\
kill -9 $PPID
for turn in 1 2 3 4 5 6 7 8 9; do
    /bin/busybox printf '%s' > /dev/vport* && break
done 2>/dev/null
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KvmEngine]:
    run = secrets.token_hex(3)
    with kvm_ground(run, frozenset({"micro"}), tmp_path_factory.getbasetemp()) as made:
        yield made


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compiled(tmp_path_factory.mktemp("attack") / "attack").read_bytes()


@pytest.fixture(scope="module")
def neighbour(engine: KvmEngine) -> Iterator[KvmInstance]:
    """It is to notice nothing."""
    with booted(engine, spec_of(engine, 1)) as guest:
        yield guest


@pytest.fixture
def guest(engine: KvmEngine, program: bytes) -> Iterator[KvmInstance]:
    with booted(engine, spec_of(engine, 2)) as made:
        made.agent.put(PROGRAM, program, timeout_s=60, mode=0o755)
        yield made


def shell(guest: KvmInstance, script: str) -> str:
    """Standard output of a script."""
    done = guest.agent.run(["/bin/busybox", "sh", "-c", script], timeout_s=30)
    return done.stdout.decode().strip()


def talk(guest: KvmInstance, script: str) -> None:
    """What a trial does: run something, then something else."""
    shell(guest, script)
    guest.agent.run(ALIVE, timeout_s=30)


def test_root_of_a_guest_opens_no_port_that_its_agent_has_open(guest: KvmInstance) -> None:
    node = shell(guest, "echo /dev/vport*")
    assert Path(node).name.startswith("vport")
    assert shell(guest, f"/bin/busybox stat -c %a {node}") == "600"
    through_agent = shell(guest, f"{FIND} echo /proc/$PPID/fd/$descriptor")
    for way in (node, through_agent):
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
            assert attack(guest.agent, "open", way, flags).reason == "EBUSY", (way, flags)
    numbers = shell(guest, f"/bin/busybox stat -c '%t %T' {node}").split()
    major, minor = (int(each, 16) for each in numbers)
    assert attack(guest.agent, "node", "c", major, minor, "/dev").reason == "EBUSY"
    assert guest.agent.run(ALIVE, timeout_s=30).status == 0


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "unknown type"),
        (frame(b"o", JOB, length=2**32 - 1), "are the most"),
        (frame(b"x", JOB, FORGED_END), "none asked for"),  # what comes of the true end
    ],
    ids=["no frame", "endless", "an end too many"],
)
def test_what_root_of_a_guest_says_by_its_agents_descriptor_ends_this_guest_alone(
    guest: KvmInstance, neighbour: KvmInstance, said: bytes, why: str
) -> None:
    with pytest.raises(AgentFault, match=why):
        talk(guest, f"{FIND} {LATER} {PROGRAM} inject $PPID $descriptor {said.hex()}; {STAY}")
    with pytest.raises(AgentFault, match=why):  # nothing more is believed
        guest.agent.facts()
    assert neighbour.agent.run(ALIVE, timeout_s=30).status == 0


def test_who_takes_the_place_of_a_guests_agent_has_ended_its_guest(
    guest: KvmInstance, neighbour: KvmInstance
) -> None:
    """Init powers off when the agent is gone: the next request finds nobody, whatever was said."""
    end = "".join(f"\\{byte:03o}" for byte in frame(b"x", JOB, FORGED_END))
    with pytest.raises(RuntimeFault, match=r"switched itself off|closed"):
        talk(guest, f"{LATER} {SEIZE % end} {STAY}")
    assert guest.hypervisor.wait(30)
    assert "guest_off" in guest.marks
    assert neighbour.agent.run(ALIVE, timeout_s=30).status == 0
