"""How a box is on the network, by profile: who reaches whom, MTU, offloads, addresses."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runtimes import process
from runtimes.conventions import BOX_PORT
from runtimes.launcher.instance import LaunchedInstance
from runtimes.linux import netns
from tests.support.ns_bench import Bench, opened_bench, shell
from tests.support.offloads import of_a_plain_pair, offloads

pytestmark = pytest.mark.root

RUN = secrets.token_hex(3)
ATTACHED = ("default", "veth")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with opened_bench(RUN, tmp_path_factory.mktemp("ns")) as opened:
        yield opened


def outside(bench: Bench, slot: int = 0) -> str:
    return f"tb{bench.site.run}n{slot}"


def fetched_by_the_peer(bench: Bench, box: LaunchedInstance) -> bytes:
    """What the box's server answers, at the address that it is published at."""

    def fetch() -> bytes:
        with socket.create_connection(box.address(), 10) as connection:
            connection.sendall(b"GET /said HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(4096), b""))

    return netns.inside(bench.bed.peer_netns, fetch)


@pytest.mark.parametrize("profile", [*ATTACHED, "host-net"])
def test_the_peer_reaches_a_published_port(bench: Bench, profile: str) -> None:
    with bench.box(profile) as box:
        shell(box, f"echo {profile} here > /tmp/said; httpd -p {BOX_PORT} -h /tmp")
        assert fetched_by_the_peer(bench, box).endswith(f"{profile} here\n".encode())


@pytest.mark.parametrize("profile", [*ATTACHED, "host-net"])
def test_the_peer_is_reached_and_sees_the_host_sides_address(bench: Bench, profile: str) -> None:
    def listening() -> socket.socket:
        return socket.create_server((bench.bed.peer_address, 0))

    with bench.box(profile) as box, netns.inside(bench.bed.peer_netns, listening) as server:
        server.settimeout(10)
        address, port = server.getsockname()
        shell(box, f"nc {address} {port} </dev/null >/dev/null 2>&1 &")
        connection, (caller, _) = server.accept()
        connection.close()
    assert caller == bench.bed.host_address


def test_a_point_to_point_box_is_on_no_bridge_and_its_route_goes_with_it(bench: Bench) -> None:
    bed, name = bench.bed, outside(bench)
    listed = ["nsenter", f"--net={bed.host_netns}", "ip", "-o", "route"]
    on_bridge = ["nsenter", f"--net={bed.host_netns}", "ip", "-o", "link", "show", "master"]
    with bench.box("veth") as box, bench.box("default", slot=1) as neighbour:
        routes = process.run(listed, timeout_s=10).stdout.decode()
        members = process.run([*on_bridge, bed.bridge], timeout_s=10).stdout.decode()
        assert f"{box.spec.lease.address} dev {name} scope link" in routes
        assert outside(bench, 1) in members
        assert name not in members
        # Other than through the bridge they do not meet: a neighbour's address is of its own link.
        script = f"ping -c1 -W1 {neighbour.spec.lease.address} >/dev/null || echo apart"
        assert shell(box, script) == "apart\n"
    assert name not in process.run(listed, timeout_s=10).stdout.decode()


@pytest.mark.parametrize("profile", ATTACHED)
@pytest.mark.parametrize("mtu", [1500, 1280])
def test_both_ends_have_the_testbeds_mtu(bench: Bench, profile: str, mtu: int) -> None:
    network = replace(bench.bed, mtu=mtu)
    engine = replace(bench.engine, site=replace(bench.site, network=network))
    box = engine.start(bench.spec(0, profile))
    try:
        assert shell(box, "cat /sys/class/net/eth0/mtu") == f"{mtu}\n"
        show = ["nsenter", f"--net={bench.bed.host_netns}", "ip", "-o", "link", "show"]
        ours = process.run([*show, outside(bench)], timeout_s=10).stdout.decode()
        assert f" mtu {mtu} " in ours
    finally:
        box.remove()


@pytest.mark.parametrize("profile", ATTACHED)
def test_offloads_are_those_of_a_plain_pair_as_dockers_are(bench: Bench, profile: str) -> None:
    """That Docker's have the same is in test_docker_runtime."""
    bed = bench.bed
    wanted = of_a_plain_pair(bed.host_netns)
    with bench.box(profile) as box:
        inside = Path(f"/proc/{box.stats().pids[0]}/ns/net")
        assert netns.inside(inside, lambda: offloads("eth0")) == wanted
        assert netns.inside(bed.host_netns, lambda: offloads(outside(bench))) == wanted
    assert wanted["TCP segmentation"]


@pytest.mark.parametrize("profile", ATTACHED)
def test_address_and_hardware_address_are_the_leases(bench: Bench, profile: str) -> None:
    with bench.box(profile, slot=7) as box:
        said = shell(box, "ip -o addr show eth0; cat /sys/class/net/eth0/address")
    lease = box.spec.lease
    assert f"inet {lease.address}/{bench.bed.prefix_length} " in said
    assert said.endswith(f"{lease.mac}\n")
