"""The plan of a box: which steps a profile has, in which order, and how they are packed."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from runtimes.launcher import Plan, Side, Step, segment
from runtimes.launcher import operations as ops
from runtimes.launcher.operations import base as kernel
from runtimes.launcher.program import SOURCES
from runtimes.linux.cgroups.specs import Bounds
from runtimes.linux.cgroups.v1 import V1
from runtimes.linux.cgroups.v2 import V2
from runtimes.linux.ids.maps import BoxIds, Extent
from runtimes.ns import build, capabilities
from runtimes.ns.build import Attachment, Box
from runtimes.ns.mounts import mount_plan
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.profile import NetworkMode
from runtimes.ns.profiles.catalogue import CATALOGUE as PROFILES

IDS = BoxIds((Extent(0, 100_000, 65_536),), (Extent(0, 100_000, 65_536),))
V1_HOST = V1({"cpuset": Path("/c/cpuset"), "cpu": Path("/c/cpu"), "memory": Path("/c/memory")})
V2_HOST = V2(Path("/c"))
ATTACHMENT = Attachment(
    Path("/run/netns/host"), "tb0", "tbx1", "198.19.0.2", 24, "198.19.0.1", "02:00:00:00:00:02",
    1500,
)  # fmt: skip


def box(profile: str = "default", host: V1 | V2 = V1_HOST) -> Box:
    return Box(
        profile=PROFILES[profile],
        hostname="tb-1",
        places=BoxPaths(Path("/state/tb-1"), Path("/state/stage")),
        ids=IDS,
        argv=("/agent",),
        environment={"PATH": "/bin"},
        creation=host.creation("run", "tb-1", Bounds((0,), 0.5, 4096)),
        controllers=host.controllers,
        attachment=ATTACHMENT,
        lifeline_fd=10,
        filter=b"\x06\0\0\0\0\0\xff\x7f",
    )


def kinds(plan: Plan, side: Side | None = None) -> list[str]:
    return [
        type(step.operation).__name__ for step in plan.steps if side is None or step.side is side
    ]


def only(plan: Plan, kind: type) -> list[Step]:
    return [step for step in plan.steps if isinstance(step.operation, kind)]


def test_a_box_ends_with_its_program_and_nothing_after_it() -> None:
    for profile in PROFILES:
        assert kinds(build.plan(box(profile)))[-1] == "Execute"


def test_rights_are_dropped_last_and_the_filter_is_the_very_last() -> None:
    steps = kinds(build.plan(box()), Side.CHILD)
    assert steps[-4:] == ["Capabilities", "NoNewPrivileges", "Seccomp", "Execute"]


def test_every_wait_of_one_side_has_a_post_of_the_other() -> None:
    for profile in PROFILES:
        plan = build.plan(box(profile))
        for waiting, posting in (Side, tuple(Side)[::-1]):
            assert kinds(plan, waiting).count("Wait") == kinds(plan, posting).count("Post")


def test_without_a_bridge_the_launcher_never_waits() -> None:
    assert "Wait" not in kinds(build.plan(box("no-net")), Side.LAUNCHER)


def test_the_default_profile_has_every_namespace_but_time() -> None:
    flags = build.namespaces(PROFILES["default"])
    assert kernel.namespace_names(flags) == "mount+pid+net+ipc+uts+cgroup+user"


@pytest.mark.parametrize(
    ("profile", "missing"),
    [
        ("no-seccomp", "Seccomp"),
        ("all-caps", "Capabilities"),
        ("no-masks", "Mask"),
        ("no-net", "Veth"),
        ("host-net", "Veth"),
        ("no-userns", "IdMap"),
    ],
)
def test_a_profile_leaves_out_its_mechanism_only(profile: str, missing: str) -> None:
    full, less = (kinds(build.plan(box(name, V2_HOST))) for name in ("default", profile))
    assert missing in full
    assert missing not in less


def test_host_network_is_entered_before_the_clone_and_not_left() -> None:
    plan = build.plan(box("host-net"))
    steps = kinds(plan, Side.LAUNCHER)
    assert steps.index("EnterNamespace") < steps.index("Clone")
    clone = only(plan, ops.Clone)[0].operation
    assert isinstance(clone, ops.Clone)
    assert not clone.flags & kernel.CLONE_NEWNET


def test_on_v1_the_child_goes_inside_first_and_on_v2_it_is_born_inside() -> None:
    first, second = build.plan(box(host=V1_HOST)), build.plan(box(host=V2_HOST))
    assert len(only(first, ops.JoinCgroup)) == 3
    assert only(second, ops.JoinCgroup) == []
    born = only(second, ops.Clone)[0].operation
    assert isinstance(born, ops.Clone)
    assert born.cgroup == "/c/tarebench/run/tb-1"
    for plan in (first, second):  # its root would be the launcher's cgroup otherwise
        clone = only(plan, ops.Clone)[0].operation
        assert isinstance(clone, ops.Clone)
        assert not clone.flags & (kernel.CLONE_NEWCGROUP | kernel.CLONE_NEWNET)
        steps = kinds(plan, Side.CHILD)
        assert steps.index("Unshare") == steps.count("JoinCgroup")


def test_the_default_capabilities_are_those_of_docker() -> None:
    assert capabilities.mask(capabilities.DEFAULT) == 0xA80425FB


def test_a_plan_packs_to_what_plan_c_reads() -> None:
    step = Step(Side.CHILD, "x", ops.Address("eth0", "1.2.3.4", 24, "1.2.3.1"))
    assert Plan((step,)).pack() == (
        b"TBPL"
        + struct.pack("=I", 1)
        + struct.pack("=4H", 18, 0x8000 | 1, 3, 1)
        + struct.pack("=3Q", 0x01020304, 24, 0x01020301)
        + struct.pack("=I", 4)
        + b"eth0\0"
    )


def test_a_text_with_a_nul_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="NUL"):
        Plan((Step(Side.CHILD, "x", ops.Hostname("a\0b")),)).pack()


def test_negative_numbers_are_packed_in_twos_complement() -> None:
    packed = Plan((Step(Side.CHILD, "x", ops.Hold(-1)),)).pack()
    assert packed.endswith(b"\xff" * 8)


def test_every_operation_has_its_entry_in_the_launchers_table() -> None:
    source = (SOURCES / "main.c").read_text()
    table = {int(code) for code in re.findall(r"\[(\d+)\] = \{op_", source)}
    classes = [getattr(ops, name) for name in ops.__all__ if name[0].isupper()]
    codes = {one.CODE for one in classes if hasattr(one, "CODE")}
    assert codes == table


def test_a_box_without_a_testbed_has_loopback_only() -> None:
    alone = replace(
        box(), profile=replace(PROFILES["default"], network=NetworkMode.NONE), attachment=None
    )
    steps = kinds(build.plan(alone))
    assert "Loopback" in steps
    assert not {"Veth", "Address", "EnterNamespace"} & set(steps)


def test_the_child_leaves_the_old_root_after_its_own_proc_is_made_and_before_it_runs() -> None:
    steps = kinds(build.plan(box()), Side.CHILD)
    order = [steps.index(name) for name in ("PivotRoot", "MakeMount", "LeaveOldRoot", "Mask")]
    assert order == sorted(order)


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("own_root", [False, True])
def test_nothing_is_looked_up_by_a_path_of_the_box_while_the_hosts_root_is_there(
    profile: str, own_root: bool
) -> None:
    """An image's /proc may be a link whose ``..`` leads onto the host's root."""
    steps = build.plan(replace(box(profile), own_root=own_root, volume=Path("/v"))).steps
    child = [step.operation for step in steps if step.side is Side.CHILD]
    ends = (ops.LeaveOldRoot, ops.Chroot)
    left = next(at for at, one in enumerate(child) if isinstance(one, ends))
    by_path = (ops.Mount, ops.MountInRoot, ops.AttachInRoot, ops.MakePlace, ops.Bind, ops.Mask)
    assert not [one for one in child[:left] if isinstance(one, by_path)]
    assert [one.path for one in child[:left] if isinstance(one, ops.Attach)] in (
        [str(box(profile).places.root)], []
    )  # fmt: skip


def test_segments_pack_as_their_steps_do_but_for_the_ends_of_stages() -> None:
    operations = (ops.Hostname("a"), ops.Loopback())
    joined = Plan.joined([segment(Side.CHILD, "x", operations)])
    assert joined.steps == tuple(Step(Side.CHILD, "x", one) for one in operations)
    alone = Plan(joined.steps).pack()
    assert [at for at in range(len(alone)) if alone[at] != joined.pack()[at]] == [11]


def test_what_is_the_same_in_each_plan_is_packed_once() -> None:
    first, second = build.plan(box()), build.plan(replace(box(), hostname="tb-2"))
    shared = {id(step) for step in first.steps} & {id(step) for step in second.steps}
    assert len(shared) > len(first.steps) / 2
    assert first.pack() != second.pack()


def test_steps_of_another_box_that_are_alike_are_packed_once() -> None:
    first, second = (build.plan(replace(box("no-net"), hostname=name)) for name in ("a", "b"))
    known = {id(step) for step in first.steps}
    fresh = [step.operation for step in second.steps if id(step) not in known]
    assert ops.Hostname("b") in fresh
    assert not [one for one in fresh if isinstance(one, ops.Clone | ops.PivotRoot | ops.Execute)]


def rootless(profile: str = "default") -> Plan:
    one = (Extent(0, 0, 1),)
    made = replace(box(profile), own_root=True, creation=None, controllers=None)
    return build.plan(replace(made, ids=BoxIds(one, one, groups=False)))


def test_root_of_a_user_namespace_makes_no_device_and_binds_the_hosts() -> None:
    plan = rootless()
    assert only(plan, ops.MakeNode) == []
    copied = [step.operation for step in only(plan, ops.CloneTree)]
    attached = {getattr(step.operation, "slot", -1) for step in only(plan, ops.AttachInRoot)}
    assert len(copied) == len(mount_plan.DEVICES)
    for one in copied:
        assert isinstance(one, ops.CloneTree)
        assert one.path.startswith("/dev/")
        assert one.slot in attached


def test_its_overlay_keeps_marks_that_it_may_write_and_sees_layers_as_they_are() -> None:
    overlay = only(rootless(), ops.MakeOverlay)[0].operation
    assert isinstance(overlay, ops.MakeOverlay)
    assert overlay.user_xattr
    assert overlay.layers == "/state/stage/own"


def test_where_groups_may_not_be_set_they_are_left_and_no_group_is_named() -> None:
    plan = rootless()
    become = only(plan, ops.Identity)[0].operation
    assert isinstance(become, ops.Identity)
    assert not become.sets_groups
    terminals = [step.operation for step in only(plan, ops.MountInRoot)]
    assert not [one for one in terminals if "gid=" in getattr(one, "data", "")]


def test_sides_wait_for_each_other_in_a_plain_users_plan_too() -> None:
    for profile in PROFILES:
        plan = rootless(profile)
        for waiting, posting in (Side, tuple(Side)[::-1]):
            assert kinds(plan, waiting).count("Wait") == kinds(plan, posting).count("Post")
