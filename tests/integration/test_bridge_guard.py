"""Boxes on the testbed's bridge that send under another's address: nobody hears of it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.prepare import bridge_filter
from harness.prepare.testbed import SLOTS
from runtimes import process
from runtimes.agent.channel import Agent
from runtimes.linux import netns
from tests.support.escapes import PROGRAM, Arena, attack, outcome

pytestmark = pytest.mark.root

ARP, IP, IP6, LLDP = 0x0806, 0x0800, 0x86DD, 0x88CC
REQUEST, ANSWER = 1, 2
BUSYBOX = "/bin/busybox"
BOXES_END = "00:00:"
"""How the second half of each box's hardware address begins, and of no bridge's."""
LISTENING_MS = 1200
TRIES = 20
LOCKED_S = 1.1
"""For how long a neighbour that has just been learnt is not overwritten (arp(7), locktime)."""


@dataclass(frozen=True)
class Street:
    """An attacker, its neighbour, and the bridge between them."""

    arena: Arena
    attacker: Agent
    victim: Agent

    def mac(self, slot: int) -> str:
        return self.arena.bed.lease(slot).mac

    def address(self, slot: int) -> str:
        return self.arena.bed.lease(slot).address

    @property
    def inside(self) -> list[str]:
        return ["nsenter", f"--net={self.arena.bed.host_netns}"]

    def known_to_the_bridge(self) -> str:
        """The hardware address that the host side has for the victim's address."""
        done = process.run(
            [*self.inside, "ip", "neigh", "show", self.address(1)], timeout_s=10
        ).stdout.decode()
        return found.group(1) if (found := re.search(r"lladdr (\S+)", done)) else ""

    def known_to_the_victim(self, address: str) -> str:
        """The hardware address that the victim has for another's."""
        table = self.victim.run([BUSYBOX, "cat", "/proc/net/arp"], timeout_s=10).stdout
        lines = [line.split() for line in table.decode().splitlines()]
        return next((words[3] for words in lines if words[0] == address), "")

    def port_of_the_victim(self) -> str:
        """The port at which the bridge believes the victim's hardware address to be."""
        done = process.run(
            [*self.inside, "bridge", "fdb", "show", "br", self.arena.bed.bridge], timeout_s=10
        ).stdout.decode()
        ports = [line.split()[2] for line in done.splitlines()
                 if line.startswith(self.mac(1)) and "permanent" not in line]  # fmt: skip
        return ports[0] if ports else ""

    def greet(self, *addresses: str) -> None:
        """All know each other."""
        for address in addresses:
            for agent in (self.victim, self.attacker):
                ping = [BUSYBOX, "ping", "-c", "1", "-W", "5", address]
                assert agent.run(ping, timeout_s=10).status == 0

    def send(self, *argv: str | int) -> None:
        if argv[0] == BUSYBOX:  # which ends with an error where nobody answers
            self.attacker.run([str(word) for word in argv], timeout_s=10)
        else:
            assert attack(self.attacker, *argv).reason == ""

    def heard(self, kind: int, *argv: str | int, sender: str = BOXES_END) -> int:
        """How many frames of a kind the victim hears when the attacker does something."""
        job = self.victim.spawn([PROGRAM, "hear", str(kind), str(LISTENING_MS)], timeout_s=20)
        job.expect(b"listening", 10)
        self.send(*argv)
        told = outcome(job.wait(20).stdout.decode().split("\n", 1)[1])
        assert told.reason == ""
        return sum(one.startswith(sender) for one in told.note.split("|") if one)


@contextlib.contextmanager
def street(arena: Arena, profile: str) -> Iterator[Street]:
    if arena.bed.unguarded:
        pytest.skip(arena.bed.unguarded)
    with arena.box(profile) as first, arena.box(profile, slot=1) as second:
        made = Street(arena, first.agent, second.agent)
        made.greet(arena.bed.gateway, made.address(0), made.address(1))
        time.sleep(LOCKED_S)
        yield made


@contextlib.contextmanager
def unguarded(made: Street) -> Iterator[None]:
    """The same without the rules: the attacks then succeed."""
    process.run(
        [*made.inside, "nft", "delete", "table", "bridge", bridge_filter.TABLE], timeout_s=10
    )
    try:
        yield
    finally:
        leases = [made.arena.bed.lease(slot) for slot in range(SLOTS)]
        text = bridge_filter.rules(made.arena.bed.run, leases)
        assert bridge_filter.install(made.inside, text, 20) == ""


def succeeds(made: Street, forged: tuple[str | int, ...], sign: Callable[[], bool]) -> bool:
    """Whether an attack works within some tries: what the victim itself sends undoes it again."""
    for _ in range(TRIES):
        made.send(*forged)
        if sign():
            return True
    return False


BOXES = pytest.mark.parametrize("profile", ["default", "no-userns"])


@BOXES
@pytest.mark.parametrize("kind", [REQUEST, ANSWER])
def test_a_forged_answer_takes_no_address_from_a_neighbour(
    arena: Arena, profile: str, kind: int
) -> None:
    with street(arena, profile) as made:
        forged = ("forge-arp", "own", made.address(1), "own", kind, arena.bed.gateway)
        made.send(*forged)
        assert made.known_to_the_bridge() == made.mac(1)
        with unguarded(made):
            assert succeeds(made, forged, lambda: made.known_to_the_bridge() == made.mac(0))


@BOXES
def test_a_forged_answer_makes_nobody_the_gateway(arena: Arena, profile: str) -> None:
    with street(arena, profile) as made:
        gateway = arena.bed.gateway
        before = made.known_to_the_victim(gateway)
        forged = ("forge-arp", "own", gateway, "own", ANSWER, made.address(1))
        assert made.heard(ARP, *forged) == 0
        assert made.known_to_the_victim(gateway) == before != ""
        with unguarded(made):
            assert made.heard(ARP, *forged) > 0
            assert succeeds(made, forged, lambda: made.known_to_the_victim(gateway) == made.mac(0))


@BOXES
@pytest.mark.parametrize("inner", [0, 1])
def test_a_forged_hardware_address_moves_nobody_to_another_port(
    arena: Arena, profile: str, inner: int
) -> None:
    """The frame's own source is what a bridge learns from; the answer in it may be true or not."""
    with street(arena, profile) as made:
        frame = made.mac(1)
        forged = ("forge-arp", made.mac(inner), made.address(inner), frame, ANSWER, made.address(1))
        before = made.port_of_the_victim()
        made.send(*forged)
        assert made.port_of_the_victim() == before != ""
        with unguarded(made):
            assert succeeds(made, forged, lambda: made.port_of_the_victim() not in ("", before))


@BOXES
def test_datagrams_come_from_their_senders_address_only(arena: Arena, profile: str) -> None:
    with street(arena, profile) as made:
        to = (made.address(1), made.mac(1), 4000)
        others = (arena.bed.peer_address, arena.bed.gateway, arena.bed.lease(7).address)
        for address in others:
            assert made.heard(IP, "forge-udp", address, "own", *to) == 0
        assert made.heard(IP, "forge-udp", made.address(0), arena.bed.lease(7).mac, *to) == 0
        assert made.heard(IP, "forge-udp", made.address(0), "own", *to) >= 3
        with unguarded(made):
            assert made.heard(IP, "forge-udp", others[0], "own", *to) >= 3


EVERYBODY = (BUSYBOX, "ping", "-6", "-c", "3", "-W", "1", "ff02::1%eth0")


@pytest.mark.parametrize(
    ("kind", "argv"), [(LLDP, ("raw-frame", LLDP)), (IP6, EVERYBODY)], ids=["lldp", "ip6"]
)
def test_frames_that_no_box_needs_are_dropped(
    arena: Arena, kind: int, argv: tuple[str | int, ...]
) -> None:
    with street(arena, "default") as made:
        assert made.heard(kind, *argv) == 0
        with unguarded(made):
            assert made.heard(kind, *argv) >= 3


def test_a_routed_box_sends_from_its_own_address_only(arena: Arena) -> None:
    """Profile ``veth`` is on no bridge: there the kernel's reverse path filter stands in."""
    with arena.box("veth") as first, arena.box("veth", slot=1) as second:
        made = Street(arena, first.agent, second.agent)
        made.greet(arena.bed.gateway)
        port = re.escape(f"tb{arena.bed.run}n0")
        links = process.run([*made.inside, "ip", "-br", "link"], timeout_s=10).stdout.decode()
        found = re.search(rf"{port}\S* +\S+ +(\S+)", links)
        assert found is not None
        to = (made.address(1), found.group(1), 4000)
        for address in (arena.bed.peer_address, arena.bed.lease(7).address):
            assert made.heard(IP, "forge-udp", address, "own", *to, sender="") == 0
        assert made.heard(IP, "forge-udp", made.address(0), "own", *to, sender="") >= 3
        filters = f"/proc/sys/net/ipv4/conf/tb{arena.bed.run}n0/rp_filter"
        netns.inside(arena.bed.host_netns, lambda: Path(filters).write_text("0"))
        other = arena.bed.lease(7).address
        assert made.heard(IP, "forge-udp", other, "own", *to, sender="") >= 3
