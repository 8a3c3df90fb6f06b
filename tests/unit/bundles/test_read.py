"""Bundles of other people: what is taken, what is refused, and by which name."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.faults import RuntimeFault
from runtimes.launcher import operations as ops
from runtimes.launcher.operations.base import RDONLY
from runtimes.oci import bundle, resources
from runtimes.oci.configuration import Device, HeldCapabilities, Hook, Hooks
from runtimes.oci.fields import BundleFault
from runtimes.standalone.oci import plan, read
from tests.support import oci_boxes
from tests.unit.bundles.test_bundle import MEANS

Document = dict[str, object]


def document() -> Document:
    made: Document = json.loads(json.dumps(bundle.document(oci_boxes.configuration())))
    return made


def changed(path: str, value: object) -> Document:
    """The document with one field set: ``linux.namespaces.0.path``."""
    made = document()
    place: object = made
    *way, last = path.split(".")
    for name in way:
        if isinstance(place, list):
            place = place[int(name)]
        else:
            assert isinstance(place, dict)
            place = place.setdefault(name, {})
    if isinstance(place, list):
        place.insert(int(last), value)
    else:
        assert isinstance(place, dict)
        place[last] = value
    return made


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("hooks", {"prestart": [{"path": "bin/evil"}]}, "$.hooks.prestart[0].path"),
        ("hooks", {"poststop": [{"path": "/x", "timeout": -1}]}, "$.hooks.poststop[0].timeout"),
        ("hooks", {"midnight": [{"path": "/x"}]}, "$.hooks.midnight"),
        ("annotations", {"org.example": 3}, "$.annotations.org.example"),
        ("windows", {"layerFolders": ["x"]}, "$.windows"),
        ("process.consoleSize", {"height": 70000}, "$.process.consoleSize.height"),
        ("process.apparmorProfile", "strict", "$.process.apparmorProfile"),
        ("process.selinuxLabel", "s0", "$.process.selinuxLabel"),
        ("process.oomScoreAdj", 5000, "$.process.oomScoreAdj"),
        ("process.args", [], "$.process.args"),
        ("process.args", ["/bin/sh", 3], "$.process.args[1]"),
        ("process.args", ["/bin/sh", "a\0b"], "$.process.args[1]"),
        ("process.env", ["PATH"], "$.process.env[0]"),
        ("process.cwd", "relative", "$.process.cwd"),
        ("process.user.uid", -1, "$.process.user.uid"),
        ("process.user.umask", 0o1000, "$.process.user.umask"),
        ("process.user.additionalGids", [5, -1], "$.process.user.additionalGids[1]"),
        ("process.capabilities.ambient", ["CAP_SING"], "$.process.capabilities.ambient[0]"),
        ("process.capabilities.bounding", ["CAP_FLY"], "$.process.capabilities.bounding[0]"),
        ("process.rlimits", [{"type": "RLIMIT_X", "soft": 1, "hard": 1}], "$.process.rlimits[0]"),
        ("process.rlimits", [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}], "$.process.rlimits[0]"),
        ("process.something", "new", "$.process.something"),
        ("linux.namespaces.0", {"type": "quantum"}, "$.linux.namespaces[0].type"),
        ("linux.namespaces.0", {"type": "mount", "path": "/x"}, "$.linux.namespaces[0].path"),
        ("linux.namespaces.2.path", "/proc/1/ns/pid", "$.linux.namespaces"),
        ("linux.namespaces", [{"type": "pid"}], "$.linux.namespaces"),
        ("linux.uidMappings", [], "$.linux.uidMappings"),
        ("linux.gidMappings", [], "$.linux.gidMappings"),
        ("linux.devices", [{"path": "/dev/sda"}], "$.linux.devices[0].type"),
        ("linux.devices", [{"path": "/dev/../sda", "type": "b"}], "$.linux.devices[0].path"),
        ("linux.devices", [{"path": "/dev/pipe", "type": "s"}], "$.linux.devices[0].type"),
        ("linux.sysctl", {"vm.swappiness": "1"}, "$.linux.sysctl.vm.swappiness"),
        ("linux.sysctl", {"net.ipv4.x/../../../y": "1"}, "$.linux.sysctl.net.ipv4.x/../../../y"),
        ("linux.sysctl", {"net.ipv4.ip_forward": 1}, "$.linux.sysctl.net.ipv4.ip_forward"),
        ("linux.rootfsPropagation", "both", "$.linux.rootfsPropagation"),
        ("linux.resources.pids.current", 10, "$.linux.resources.pids.current"),
        ("linux.resources.blockIO.leafWeight", 10, "$.linux.resources.blockIO.leafWeight"),
        ("linux.resources.blockIO.throttleReadBpsDevice", [{"major": 1}],
         "$.linux.resources.blockIO.throttleReadBpsDevice[0].minor"),
        ("linux.resources.cpu.realtimeRuntime", 10, "$.linux.resources.cpu.realtimeRuntime"),
        ("linux.resources.hugepageLimits", [{"pageSize": "2MB"}],
         "$.linux.resources.hugepageLimits"),
        ("linux.resources.unified", {"pids.max": "3"}, "$.linux.resources.unified.pids.max"),
        ("linux.resources.unified", {"io.weight": "x"}, "$.linux.resources.unified.io.weight"),
        ("linux.resources.cpu.period", -1, "$.linux.resources.cpu.period"),
        ("linux.resources.cpu.cpus", "0-", "$.linux.resources.cpu.cpus"),
        ("linux.resources.memory.swap", 1, "$.linux.resources.memory.swap"),
        ("linux.resources.devices", [{"allow": True, "type": "c", "access": "r"}],
         "$.linux.resources.devices[0]"),
        ("linux.resources.devices",
         [{"allow": False}, {"allow": True, "type": "c", "major": 10, "access": "rw"},
          {"allow": False, "type": "c", "major": 10, "minor": 229}],
         "$.linux.resources.devices[2]"),
        ("linux.seccomp.listenerPath", "/run/x", "$.linux.seccomp.listenerPath"),
        ("linux.seccomp.syscalls.0", {"names": ["x"], "action": "A", "tree": 1},
         "$.linux.seccomp.syscalls[0].tree"),
        ("mounts.0", {"destination": "/x", "type": "nfs", "source": "a:/"}, "$.mounts[0].type"),
        ("mounts.0", {"destination": "x", "type": "tmpfs"}, "$.mounts[0].destination"),
        ("mounts.0", {"destination": "/x/../../y", "type": "tmpfs"}, "$.mounts[0].destination"),
        ("mounts.0", {"destination": "/", "type": "tmpfs"}, "$.mounts[0].destination"),
        ("mounts.0", {"destination": "/x", "type": "bind", "source": "rel"}, "$.mounts[0].source"),
        ("mounts.0", {"destination": "/x", "type": "tmpfs", "options": ["ro", "shared"]},
         "$.mounts[0].options[1]"),
        ("mounts.0", {"destination": "/x", "type": "proc", "options": ["hidepid=2"]},
         "$.mounts[0].options[0]"),
        ("mounts.0", {"destination": "/x", "type": "tmpfs", "options": ["mode=1", "suid=3"]},
         "$.mounts[0].options[1]"),
        ("mounts.0", "not an object", "$.mounts[0]"),
        ("root.path", 3, "$.root.path"),
        ("root.readonly", "yes", "$.root.readonly"),
        ("ociVersion", "2.0.0", "$.ociVersion"),
        ("hostname", 5, "$.hostname"),
    ],
)  # fmt: skip
def test_what_ns_does_not_do_is_refused_by_its_path(path: str, value: object, named: str) -> None:
    with pytest.raises(BundleFault) as fault:
        read.parse(changed(path, value))
    assert fault.value.path == named
    assert named in str(fault.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hooks", {}),
        ("ociVersion", "1.2.0"),
        ("ociVersion", "1.0.2-dev"),
        ("linux.rootfsPropagation", "rprivate"),
        ("linux.sysctl", None),
    ],
)
def test_what_changes_nothing_is_passed_over(path: str, value: object) -> None:
    assert read.parse(changed(path, value)) == oci_boxes.configuration()


def test_what_an_engine_asks_for_beyond_a_box_is_read() -> None:
    made = document()
    made["hooks"] = {"prestart": [{"path": "/h", "args": ["h", "1"], "env": ["A=b"], "timeout": 3}]}
    made["annotations"] = {"org.example": "x"}
    process, linux = made["process"], made["linux"]
    assert isinstance(process, dict)
    assert isinstance(linux, dict)
    process |= {"terminal": True, "consoleSize": {"height": 24, "width": 80}, "args": ["sh"]}
    process["user"] = {"uid": 5, "gid": 6, "additionalGids": [7], "umask": 0o027}
    process["capabilities"] = {
        "bounding": ["CAP_CHOWN", "CAP_KILL"],
        "permitted": ["CAP_KILL"],
        "inheritable": ["CAP_KILL"],
        "ambient": ["CAP_KILL", "CAP_CHOWN"],
    }
    linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmax": "9"}
    linux["devices"] = [
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3},
        {"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200},
        {"path": "/dev/pipe", "type": "p"},
    ]
    linux["rootfsPropagation"] = "shared"
    one = read.parse(made)
    assert one.hooks == Hooks(prestart=(Hook("/h", ("h", "1"), ("A=b",), 3),))
    assert one.annotations == (("org.example", "x"),)
    assert (one.terminal, one.rows, one.columns, one.argv) == (True, 24, 80, ("sh",))
    assert (one.uid, one.gid, one.groups, one.umask) == (5, 6, (7,), 0o027)
    assert one.propagation == "shared"
    assert one.capabilities == ("CHOWN", "KILL")
    assert one.held == HeldCapabilities((), ("KILL",), ("KILL",), ("KILL",))
    assert one.sysctls == (("net.ipv4.ip_forward", "1"), ("kernel.shmmax", "9"))
    assert one.devices == (
        Device("/dev/net/tun", "c", 10, 200, 0o666, 0, 0),
        Device("/dev/pipe", "p", 0, 0, 0o666, 0, 0),
    )


def test_periods_and_memory_nodes_go_there_and_back() -> None:
    wanted = {"quota": 50_000, "period": 500_000, "mems": "0"}
    made = read.parse(changed("linux.resources.cpu", wanted))
    assert made.bounds is not None
    assert (made.bounds.cpu_quota, made.bounds.cpu_period_us) == (0.1, 500_000)
    assert made.bounds.memory_nodes == (0,)
    assert resources.document(made.bounds, unified=False, limits_swap=False)["cpu"] == wanted


@pytest.mark.parametrize("period_us", [-1, 999, 1_000_001])
def test_a_period_that_the_kernel_would_not_take_is_refused(period_us: int) -> None:
    with pytest.raises(BundleFault, match=r"cpu\.period"):
        read.parse(changed("linux.resources.cpu", {"period": period_us}))


def test_users_and_groups_may_be_mapped_differently() -> None:
    made = read.parse(changed("linux.gidMappings.0.hostID", 300_000))
    steps = plan.plan(made, MEANS).steps
    maps = next(step.operation for step in steps if isinstance(step.operation, ops.IdMap))
    assert made.gid_map[0].outside == 300_000
    assert maps.uids != maps.gids


def test_a_shared_root_is_the_last_of_the_mounts() -> None:
    steps = plan.plan(read.parse(changed("linux.rootfsPropagation", "shared")), MEANS).steps
    mounts = [
        step.operation
        for step in steps
        if isinstance(step.operation, ops.Mount | ops.MountInRoot | ops.Mask)
    ]
    assert mounts[-1] == ops.Mount("", "/", "", 1 << 20)


def test_all_devices_are_left_alone_where_an_engine_allows_all() -> None:
    made = read.parse(changed("linux.resources.devices", [{"allow": True, "access": "rwm"}]))
    assert made.bounds is not None
    assert made.bounds.devices is None


def test_a_host_name_without_a_namespace_of_its_own_would_be_the_hosts() -> None:
    made = document()
    linux = made["linux"]
    assert isinstance(linux, dict)
    linux["namespaces"] = [each for each in linux["namespaces"] if each["type"] != "uts"]
    with pytest.raises(BundleFault, match="would be the host's"):
        read.parse(made)


@pytest.mark.parametrize(
    ("text", "why"),
    [(b"", "no JSON"), (b"[]", "not an object"), (b"[" * 100_000, "no JSON"),
     (b'{"ociVersion": "1.0.2"}', r"root\.path: is missing|args"), (b"\xff\xfe", "no JSON"),
     (b" " * (read.LARGEST_BYTES + 1), "larger than")],
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: bytes, why: str) -> None:
    (tmp_path / bundle.CONFIG).write_bytes(text)
    with pytest.raises(BundleFault, match=why):
        read.read(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleFault, match="No such file"):
        read.read(tmp_path)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += _paths(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:3]):
            found += _paths(inner, (*path, index))
    return found


DOCUMENT = document()


@pytest.mark.slow
@given(st.sampled_from(_paths(DOCUMENT)), ANYTHING)
def test_any_damage_is_a_fault_of_the_bundle_or_none(
    path: tuple[str | int, ...], value: object
) -> None:
    made = copy.deepcopy(DOCUMENT)
    place: object = made
    for name in path[:-1]:
        place = place[name]  # type: ignore[index]
    place[path[-1]] = value  # type: ignore[index]
    try:
        configuration = read.parse(made)
    except BundleFault:
        return
    try:
        plan.plan(configuration, MEANS).pack()
    except RuntimeFault:
        return


def test_another_user_is_become_after_everything_that_only_root_may_do() -> None:
    steps = plan.plan(read.parse(changed("process.user.uid", 7)), MEANS).steps
    made = [step.operation for step in steps]
    place = made.index(ops.Identity(7))
    assert isinstance(made[place + 1], ops.Capabilities)
    assert not [one for one in made[place:] if isinstance(one, ops.Mount | ops.MountInRoot)]


def test_a_container_waits_to_be_started_with_all_rights_gone_but_the_filter_to_come() -> None:
    made = changed("hooks", {"createRuntime": [{"path": "/a"}], "startContainer": [{"path": "/b"}]})
    waits = plan.Waits(listener_fd=20, ask_fd=21)
    steps = plan.plan(read.parse(made), replace(MEANS, waits=waits)).steps
    names = [type(step.operation).__name__ for step in steps]
    assert names[-5:] == ["NoNewPrivileges", "AwaitStart", "Hook", "Seccomp", "Execute"]
    assert names.index("Clone") < names.index("Ask") < names.index("PivotRoot")
    program = steps[-1].operation
    assert isinstance(program, ops.Execute)
    assert not program.init


def test_without_no_new_privileges_the_filter_comes_before_the_rights_go() -> None:
    one = read.parse(changed("process.noNewPrivileges", value=False))
    steps = plan.plan(one, replace(MEANS, waits=plan.Waits(listener_fd=20))).steps
    names = [type(step.operation).__name__ for step in steps]
    assert names[-4:] == ["Seccomp", "Capabilities", "AwaitStart", "Execute"]


def test_more_bind_mounts_than_ns_holds_are_refused() -> None:
    made = document()
    mounts = made["mounts"]
    assert isinstance(mounts, list)
    mounts += [{"destination": f"/m{n}", "type": "bind", "source": "/srv"} for n in range(60)]
    with pytest.raises(RuntimeFault, match="at most"):
        plan.plan(read.parse(made), MEANS)


def test_cgroups_that_a_box_could_write_are_refused() -> None:
    made = document()
    mounts = made["mounts"]
    assert isinstance(mounts, list)
    mounts[-1]["options"] = ["nosuid"]
    with pytest.raises(RuntimeFault, match="add option ro"):
        plan.plan(read.parse(made), MEANS)


def test_everything_is_mounted_from_inside_after_the_pivot() -> None:
    made = document()
    mounts = made["mounts"]
    assert isinstance(mounts, list)
    mounts.append({"destination": "/data", "type": "bind", "source": "/srv", "options": ["ro"]})
    steps = plan.plan(read.parse(made), MEANS).steps
    stages = [step.stage for step in steps]
    names = [f"{type(step.operation).__name__} {step.operation.thing}" for step in steps]
    pivot = stages.index("rooted")
    assert "CloneTree /srv" in names[:pivot]
    assert names.index("AttachInRoot /data") > pivot
    copied = next(step.operation for step in steps if step.operation.thing == "/srv")
    assert copied == ops.CloneTree(2, "/srv", attributes=RDONLY)
