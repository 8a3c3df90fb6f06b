"""The bridge's rules know every port, address and hardware address that a backend may use."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from harness.prepare import bridge_filter, testbed
from runtimes import ports, process
from runtimes.faults import RuntimeFault
from runtimes.kvm.profiles.machine import tap_name

BED = testbed.Testbed("3fa9c1", Path("/h"), Path("/p"))
LEASES = [BED.lease(slot) for slot in range(testbed.SLOTS)]


def test_every_place_has_its_own_port_and_addresses() -> None:
    known = list(bridge_filter.places(BED.run, LEASES))
    assert len(set(known)) == len(known) == 4 * testbed.SLOTS
    assert ("tb3fa9c1n0", "02:7b:00:00:00:02", "198.19.0.2") in known
    assert ("tb3fa9c1o199", "02:7b:00:00:00:c9", "198.19.0.201") in known
    shown = {(mac, address) for name, mac, address in known if name == tap_name(BED.run, 7)}
    assert shown == {("02:7b:00:00:00:09", "198.19.0.9"), ("06:7b:00:00:00:09", "198.19.0.9")}


def test_no_hardware_address_belongs_to_two_slots() -> None:
    macs: dict[str, str] = {}
    for _, mac, address in bridge_filter.places(BED.run, LEASES):
        assert macs.setdefault(mac, address) == address


def test_names_of_ports_fit_into_an_interfaces_name() -> None:
    longest = max(len(name) for name, _, _ in bridge_filter.places(BED.run, LEASES))
    assert longest <= 15
    assert {ports.name("a", kind, 1)[:2] for kind in ports.Kind} == {"tb"}


def test_ports_of_others_pass_and_what_is_not_known_of_ours_does_not() -> None:
    text = bridge_filter.rules(BED.run, LEASES)
    last = [line.strip() for line in text.splitlines() if line.strip()][-3]
    assert last == 'iifname "tb3fa9c1*" counter drop'
    assert "policy accept" in text


def test_a_kernel_without_rules_for_bridges_is_told_and_no_fault() -> None:
    with mock.patch.object(process, "run", side_effect=RuntimeFault("nft: not supported")):
        why = bridge_filter.install([], bridge_filter.rules(BED.run, LEASES), 1)
    assert "CONFIG_NF_TABLES_BRIDGE" in why
    assert "not supported" in why
