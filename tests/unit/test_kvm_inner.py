"""A container in a VM: what its guest is told, and what is believed of what it says."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from runtimes.base import InstanceSpec, Lease
from runtimes.kvm.nested import docker, plans, readback
from runtimes.kvm.nested.plans import Kind, Wire
from runtimes.launcher.operations import Address, Execute, Hostname, Seccomp, Veth, WriteFile
from runtimes.launcher.operations.process import Clone
from runtimes.ns.userns import holding
from runtimes.resources import Limits, LimitsRead

LIMITS = Limits(cpus=(2, 5), cpu_quota=1.5, memory_bytes=512 << 20)
LEASE = Lease(slot=3, address="198.19.0.5", mac="02:7b:00:00:00:05", port=20003)
WIRE = Wire(24, "198.19.0.1", 1500)
SAID = "tarebench-init: box has cpus=0-1 quota=150000 100000 memory=536870912;\n"


def spec(volume: Path | None = None) -> InstanceSpec:
    return InstanceSpec("tb-abc123-3", "nested-ns", LIMITS, LEASE, volume)


def asked(volume: Path | None = None, wire: Wire | None = WIRE) -> plans.Requests:
    return plans.requests(spec(volume), "abc123", wire, b"filter00")


def steps(of: plans.Requests) -> list[object]:
    return [step.operation for _, plan in of for step in plan.steps]


def test_the_box_is_made_last_with_everything_that_ns_gives_a_box_on_a_host() -> None:
    kinds = [kind for kind, _ in asked()]
    assert kinds == [Kind.ID_MAP, Kind.ALONE, Kind.ALONE, Kind.BOX]
    made = steps(asked())
    assert Hostname("tb-abc123-3") in made
    assert Seccomp(b"filter00") in made
    assert any(isinstance(one, Execute) and one.init for one in made)


def test_limits_are_those_of_every_box_by_the_guests_own_cpu_numbers() -> None:
    group = plans.group("abc123", "tb-abc123-3")
    written = [one for one in steps(asked()) if isinstance(one, WriteFile)]
    assert WriteFile(str(group / "cpuset.cpus"), "0-1") in written
    assert WriteFile(str(group / "cpu.max"), "150000 100000") in written
    assert WriteFile(str(group / "memory.max"), str(512 << 20)) in written
    born = [one for one in steps(asked()) if isinstance(one, Clone)]
    assert str(group) in {one.cgroup for one in born}


def test_the_box_has_the_address_that_was_leased_and_another_card_than_its_guest() -> None:
    made = steps(asked())
    (veth,) = [one for one in made if isinstance(one, Veth)]
    assert (veth.bridge, veth.mac) == (plans.BRIDGE, "06:7b:00:00:00:05")
    assert Address("eth0", "198.19.0.5", 24, "198.19.0.1") in made


def test_without_a_bridge_the_box_has_loopback_only() -> None:
    assert not [one for one in steps(asked(wire=None)) if isinstance(one, (Veth, Address))]


def test_a_volume_becomes_the_boxs_own() -> None:
    assert "volume" in repr(steps(asked(Path("/somewhere"))))
    assert "volume" not in repr(steps(asked()))


def test_plans_are_packed_one_after_another_with_kind_and_length() -> None:
    data, found = plans.pack(asked()), []
    while data:
        kind, length = struct.unpack_from("=II", data)
        found.append((kind, data[8 : 8 + length]))
        data = data[8 + length :]
    assert [kind for kind, _ in found] == [1, 0, 0, 2]
    assert found[0][1] == holding(plans.IDS, plans.LIFELINE).pack()
    assert all(plan.startswith(b"TBPL") for _, plan in found)


def test_what_the_guest_has_read_back_is_told_by_the_hosts_cpu_numbers() -> None:
    inner = readback.limits("noise\n" + SAID)
    assert inner == LimitsRead((0, 1), 1.5, 512 << 20)
    outer = LimitsRead((2, 5), 1.5, 640 << 20)
    assert inner is not None
    assert readback.narrowed(outer, inner, LIMITS) == LimitsRead((2, 5), 1.5, 512 << 20)


def test_the_narrower_limit_binds_and_a_missing_inner_one_is_none() -> None:
    outer = LimitsRead((2,), 1.0, 256 << 20)
    inner = LimitsRead((0, 1), 1.5, 512 << 20)
    assert readback.narrowed(outer, inner, LIMITS) == outer
    nothing = LimitsRead(None, None, None)
    assert readback.narrowed(outer, nothing, LIMITS) == nothing


def test_an_unlimited_box_is_read_as_such() -> None:
    said = "tarebench-init: box has cpus=0 quota=max 100000 memory=max;"
    assert readback.limits(said) == LimitsRead((0,), None, None)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "tarebench-init: box has cpus=0",
        "tarebench-init: box has cpus=0 quota=1 1 memory=99999999999999999999;",
        "tarebench-init: box has cpus=../.. quota=1 1 memory=1;",
        "tarebench-init: box has cpus=0 quota=-1 100000 memory=1;",
        "\0" * 4096,
    ],
)
def test_what_is_no_such_line_says_nothing(said: str) -> None:
    assert readback.limits(said) is None


def test_nonsense_in_the_line_is_no_limit_and_no_crash() -> None:
    for cpus in ("9-0", ",", "-", "0-0-0", "99999"):
        read = readback.limits(f"tarebench-init: box has cpus={cpus} quota=1 0 memory=1;")
        assert read is not None
        assert read.cpu_quota is None
        assert read.cpus in {None, (99999,)}


def test_a_step_that_failed_in_the_guest_is_told_in_words() -> None:
    box = asked()[3][1]
    number = next(n for n, step in enumerate(box.steps) if isinstance(step.operation, Veth))
    fault = readback.failure(f"tarebench-init: plan 3 failed at step {number} with 95\n", asked())
    assert fault is not None
    assert "eth0 in the box and tbbox on bridge tb0: " in str(fault)
    assert "modprobe" in fault.hint


def test_a_failure_of_a_plan_that_does_not_exist_is_none() -> None:
    assert readback.failure("tarebench-init: plan 9 failed at step 1 with 1\n", asked()) is None
    assert readback.failure("tarebench-init: plan 1 is fine\n", asked()) is None


def words(data: bytes) -> list[str]:
    assert data.endswith(b"\0")
    return data[:-1].decode().split("\0")


def test_docker_in_the_guest_runs_the_box_under_the_limits_of_every_box() -> None:
    said = words(docker.container(spec(), "tarebench/rootfs:0123"))
    for word in (
        "--cpuset-cpus=0-1",
        "--cpus=1.5",
        f"--memory={512 << 20}",
        f"--memory-swap={512 << 20}",
        "--publish=8080:8080/tcp",
        "--hostname=tb-abc123-3",
        "--interactive",
        "--rm",
    ):
        assert word in said
    assert said[-2:] == ["--entrypoint=/opt/tarebench/agent", "tarebench/rootfs:0123"]


def test_docker_in_the_guest_binds_a_volume_where_there_is_one() -> None:
    said = words(docker.container(spec(Path("/somewhere")), "image"))
    assert "--mount=type=bind,source=/volume,target=/volume" in said
    assert not [word for word in words(docker.container(spec(), "i")) if "--mount" in word]


def test_the_engine_of_the_guest_speaks_on_the_socket_that_its_client_asks() -> None:
    host = [word for word in words(docker.engine(1500)) if word.startswith("--host=")]
    assert host == [word for word in words(docker.container(spec(), "i"))
                    if word.startswith("--host=")]  # fmt: skip
    assert "--mtu=1500" in words(docker.engine(1500))
