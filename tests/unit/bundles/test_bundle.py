"""What is written into a bundle, and that it comes back as it went."""

from __future__ import annotations

import json
import platform
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from runtimes.launcher import Plan
from runtimes.launcher import operations as ops
from runtimes.linux.cgroups import Bounds, DeviceRule, IoLimit
from runtimes.linux.cgroups.devices import DEFAULT as DEFAULT_DEVICES
from runtimes.linux.cgroups.v1 import V1
from runtimes.linux.cgroups.v2 import V2
from runtimes.ns import build, capabilities
from runtimes.ns.mounts import mount_plan
from runtimes.ns.profile import PROFILES
from runtimes.ns.seccomp import calls
from runtimes.oci import bundle, resources
from runtimes.oci.configuration import ResourceLimit
from runtimes.oci.describe import describe
from runtimes.oci.filters import default_filter
from runtimes.standalone.oci import plan, read
from tests.support import oci_boxes

MEANS = plan.Means(
    oci_boxes.box().places,
    oci_boxes.box().creation,
    oci_boxes.V1_HOST.controllers,
    oci_boxes.FILTER,
    lifeline_fd=10,
)
HOW_THE_ROOT_COMES = (
    ops.MakeOverlay, ops.CloneTree, ops.MakeDirectory, ops.MakePlace, ops.Veth, ops.Address,
    ops.Post, ops.Wait, ops.EnterNamespace, ops.MakeMount, ops.MakeTmpfs, ops.Identity, ops.Attach,
    ops.AttachInRoot,
)  # fmt: skip
"""A bundle's root is given ready made, and its network is joined from outside."""


def document(profile: str = "default") -> dict[str, object]:
    """As another program would read it."""
    written: dict[str, object] = json.loads(
        json.dumps(bundle.document(oci_boxes.configuration(profile)))
    )
    return written


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_what_is_written_is_read_back_the_same(profile: str) -> None:
    configuration = oci_boxes.configuration(profile)
    assert read.parse(document(profile)) == configuration
    assert bundle.document(read.parse(document(profile))) == bundle.document(configuration)


def test_a_bundle_on_disk_is_read_back_the_same(tmp_path: Path) -> None:
    given = replace(oci_boxes.configuration(), limits=(ResourceLimit("RLIMIT_NOFILE", 1024, 4096),))
    bundle.write(tmp_path, given)
    assert read.read(tmp_path) == given


EVERY_LIMIT = Bounds(
    (0, 2),
    0.5,
    64 << 20,
    memory_high_bytes=48 << 20,
    swap_bytes=8 << 20,
    cpu_weight=250,
    pids_max=99,
    io=(IoLimit(8, 0, read_bytes_per_s=1000), IoLimit(8, 16, write_operations_per_s=5)),
    io_weight=300,
    devices=(*DEFAULT_DEVICES, DeviceRule("c", 10, 229, "rw")),
)


@pytest.mark.parametrize("host", [oci_boxes.V1_HOST, oci_boxes.V2_HOST], ids=["v1", "v2"])
def test_every_limit_comes_back_as_it_went(host: V1 | V2) -> None:
    given = describe(
        oci_boxes.box(host=host), Path("/r"), bounds=EVERY_LIMIT, cgroups_path="/tarebench/x"
    )
    assert read.parse(json.loads(json.dumps(bundle.document(given)))) == given


def test_limits_are_said_in_the_words_of_the_hosts_version() -> None:
    v1 = resources.document(EVERY_LIMIT, unified=False, limits_swap=True)
    v2 = resources.document(EVERY_LIMIT, unified=True, limits_swap=True)
    assert v1["cpu"]["shares"] == 2560  # type: ignore[index,call-overload]
    assert "unified" not in v1
    assert v2["unified"] == {
        "cpu.weight": "250", "memory.high": str(48 << 20), "io.weight": "default 300",
    }  # fmt: skip
    assert v1["pids"] == v2["pids"] == {"limit": 99}
    assert v1["memory"]["swap"] == 72 << 20  # type: ignore[index,call-overload]


def test_denying_all_devices_leaves_the_harmless_ones_as_every_runtime_does() -> None:
    content = document()
    content["linux"]["resources"]["devices"] = [  # type: ignore[index,call-overload]
        {"allow": False, "access": "rwm"}
    ]
    bounds = read.parse(content).bounds
    assert bounds is not None
    assert bounds.devices == DEFAULT_DEVICES


def essence(steps: Plan) -> Counter[object]:
    """What a plan does to the box, apart from how its root and its network come to it."""
    return Counter(
        step.operation
        for step in steps.steps
        if not isinstance(step.operation, HOW_THE_ROOT_COMES)
        and step.operation != mount_plan.READ_ONLY_ROOT
    )


@pytest.mark.parametrize("profile", sorted(set(PROFILES) - {"host-net", "all-caps"}))
def test_the_plan_of_a_bundle_does_to_a_box_what_ns_did(profile: str) -> None:
    means = MEANS if PROFILES[profile].seccomp else replace(MEANS, filter=b"")
    given = plan.plan(oci_boxes.configuration(profile), means)
    if PROFILES[profile].cgroup:
        assert essence(given) == essence(build.plan(oci_boxes.box(profile)))
    else:
        assert essence(given) <= essence(build.plan(oci_boxes.box(profile)))


def test_keeping_all_capabilities_is_said_by_naming_them() -> None:
    assert oci_boxes.configuration("all-caps").capabilities == tuple(capabilities.NUMBERS)


def test_a_box_in_the_hosts_network_joins_it_by_path_and_binds_its_sysfs() -> None:
    configuration = oci_boxes.configuration("host-net")
    assert ("network", "/run/netns/host") in configuration.namespaces
    assert [each.kind for each in configuration.mounts if each.destination == "/sys"] == ["bind"]


def test_limits_are_those_of_the_box() -> None:
    linux = bundle.document(oci_boxes.configuration())["linux"]
    assert isinstance(linux, dict)
    assert linux["resources"] == {
        "cpu": {"cpus": "0-1,3", "quota": 150_000, "period": 100_000},
        "memory": {"limit": 64 << 20, "swap": 64 << 20},
    }
    assert linux["cgroupsPath"] == "/tarebench/run/tb-1"


def test_without_swap_accounting_no_swap_limit_is_asked_for() -> None:
    one = replace(oci_boxes.configuration(), limits_swap=False)
    linux = bundle.document(one)["linux"]
    assert isinstance(linux, dict)
    assert linux["resources"]["memory"] == {"limit": 64 << 20}  # type: ignore[index,call-overload]


def test_root_inside_is_the_subordinate_id_outside() -> None:
    linux = document()["linux"]
    assert isinstance(linux, dict)
    wanted = [{"containerID": 0, "hostID": 100_000, "size": 65_536}]
    assert linux["uidMappings"] == linux["gidMappings"] == wanted
    plain = document("no-userns")["linux"]
    assert isinstance(plain, dict)
    assert "uidMappings" not in plain


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_names_every_call_that_ns_allows(machine: str) -> None:
    allowed = default_filter(machine).rules[0]
    assert set(allowed.names) == {
        *calls.ALLOWED,
        *calls.BY_ARCHITECTURE[machine],
    }
    assert default_filter(machine).architectures[0].lower().endswith(machine)


def test_the_filter_here_is_for_this_machine() -> None:
    assert default_filter() == default_filter(platform.machine())
