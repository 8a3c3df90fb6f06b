"""Bundles of other people: what is taken, what is refused, and by which name."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.base import RuntimeFault
from runtimes.oci import bundle, plan, read
from runtimes.oci.fields import BundleFault
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
        ("hooks", {"prestart": [{"path": "/bin/evil"}]}, "$.hooks"),
        ("windows", {"layerFolders": ["x"]}, "$.windows"),
        ("process.terminal", True, "$.process.terminal"),
        ("process.apparmorProfile", "strict", "$.process.apparmorProfile"),
        ("process.selinuxLabel", "s0", "$.process.selinuxLabel"),
        ("process.oomScoreAdj", 500, "$.process.oomScoreAdj"),
        ("process.args", [], "$.process.args"),
        ("process.args", ["sh"], "$.process.args"),
        ("process.args", ["/bin/sh", 3], "$.process.args[1]"),
        ("process.args", ["/bin/sh", "a\0b"], "$.process.args[1]"),
        ("process.env", ["PATH"], "$.process.env[0]"),
        ("process.cwd", "relative", "$.process.cwd"),
        ("process.user.uid", -1, "$.process.user.uid"),
        ("process.user.additionalGids", [5], "$.process.user.additionalGids"),
        ("process.capabilities.ambient", ["CAP_CHOWN"], "$.process.capabilities.ambient"),
        ("process.capabilities.bounding", ["CAP_CHOWN"], "$.process.capabilities"),
        ("process.capabilities.bounding", ["CAP_FLY"], "$.process.capabilities.bounding[0]"),
        ("process.rlimits", [{"type": "RLIMIT_X", "soft": 1, "hard": 1}], "$.process.rlimits[0]"),
        ("process.rlimits", [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}], "$.process.rlimits[0]"),
        ("process.something", "new", "$.process.something"),
        ("linux.namespaces.0", {"type": "quantum"}, "$.linux.namespaces[0].type"),
        ("linux.namespaces.0", {"type": "pid", "path": "/x"}, "$.linux.namespaces[0].path"),
        ("linux.namespaces", [{"type": "pid"}], "$.linux.namespaces"),
        ("linux.uidMappings", [], "$.linux.uidMappings"),
        ("linux.gidMappings.0.hostID", 7, "$.linux.gidMappings"),
        ("linux.devices", [{"path": "/dev/sda"}], "$.linux.devices"),
        ("linux.sysctl", {"net.ipv4.ip_forward": "1"}, "$.linux.sysctl"),
        ("linux.rootfsPropagation", "shared", "$.linux.rootfsPropagation"),
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
        ("linux.resources.devices", [{"allow": True, "access": "rwm"}],
         "$.linux.resources.devices[0]"),
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
        ("annotations", {"org.example": "x"}),
        ("hooks", {}),
        ("ociVersion", "1.2.0"),
        ("ociVersion", "1.0.2-dev"),
        ("process.consoleSize", {"height": 1, "width": 1}),
        ("linux.rootfsPropagation", "rprivate"),
        ("linux.sysctl", None),
    ],
)
def test_what_changes_nothing_is_passed_over(path: str, value: object) -> None:
    assert read.parse(changed(path, value)) == oci_boxes.configuration()


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


def test_another_user_than_root_is_refused_with_what_to_do() -> None:
    with pytest.raises(RuntimeFault, match="not as 7:0") as fault:
        plan.plan(read.parse(changed("process.user.uid", 7)), MEANS)
    assert "uidMappings" in fault.value.hint


def test_more_bind_mounts_than_ns_holds_are_refused() -> None:
    made = document()
    mounts = made["mounts"]
    assert isinstance(mounts, list)
    mounts += [{"destination": f"/m{n}", "type": "bind", "source": "/srv"} for n in range(7)]
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
    assert names.index("Attach /data") > pivot
    assert names.index("Bind /data on /data") == names.index("Attach /data") + 1
