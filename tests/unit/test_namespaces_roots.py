"""A root's layers: names in the stage, one map for all, one step for any depth."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault
from runtimes.launcher import Plan, Side, Step, overlay
from runtimes.launcher import operations as ops
from runtimes.launcher.faults import explain
from runtimes.launcher.operations import base as kernel
from runtimes.ns.mounts import roots
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.mounts.roots import Stack

PLACES = BoxPaths(Path("/state/tb-1"), Path("/state/stage"))
THREE = Stack((Path("/c/3"), Path("/c/2"), Path("/c/1")))


def steps(plan: Plan) -> list[ops.Operation]:
    return [step.operation for step in plan.steps]


def mapped(stack: Stack) -> list[ops.BindIdmapped]:
    staged = steps(roots.staged(stack, PLACES, 9))
    return [one for one in staged if isinstance(one, ops.BindIdmapped)]


def test_a_directory_is_a_stack_of_one_and_is_bound_not_stacked() -> None:
    staged = steps(roots.staged(roots.of(Path("/cache/root")), PLACES, None))
    assert staged == [
        ops.Bind("/cache/root", "/state/stage/plain", recursive=False, attributes=kernel.RDONLY | 4)
    ]


def test_with_a_user_namespace_each_layer_is_seen_through_its_map() -> None:
    bound = [
        one for one in steps(roots.staged(THREE, PLACES, 9)) if isinstance(one, ops.BindIdmapped)
    ]
    assert [(one.source, one.target) for one in bound] == [
        ("/c/3", "/state/stage/mapped/0"),
        ("/c/2", "/state/stage/mapped/1"),
        ("/c/1", "/state/stage/mapped/2"),
    ]
    assert all(one.user_namespace_fd == 9 and one.attributes & kernel.RDONLY for one in bound)


def test_layers_of_one_home_are_mapped_by_one_mount() -> None:
    stack = Stack(THREE.layers, Path("/c"))
    bound = [
        one for one in steps(roots.staged(stack, PLACES, 9)) if isinstance(one, ops.BindIdmapped)
    ]
    assert [(one.source, one.target) for one in bound] == [("/c", "/state/stage/home")]


@pytest.mark.parametrize("home", [None, "layers"])
def test_layers_get_their_number_for_a_name_topmost_first(tmp_path: Path, home: str | None) -> None:
    places = BoxPaths(tmp_path / "box", tmp_path / "stage")
    layers = tuple(tmp_path / "layers" / name for name in ("top, of: all", "lowest"))
    for layer in layers:
        layer.mkdir(parents=True)
    roots.make_stage(places, Stack(layers, None if home is None else tmp_path / home))
    assert [(places.own / str(n)).resolve() for n in range(2)] == list(layers)
    seen = [places.mapped / str(n) for n in range(2)]
    if home is None:
        assert all(path.is_dir() and not path.is_symlink() for path in seen)
    else:
        assert [path.readlink() for path in seen] == [places.home / one.name for one in layers]


def test_a_start_names_where_the_layers_are_and_how_many() -> None:
    step = roots.overlay(3, PLACES, mapped=True, volatile=True)
    assert isinstance(step, ops.MakeOverlay)
    assert (step.layers, step.upper, step.work) == (
        "/state/stage/mapped", "/state/tb-1/upper", "/state/tb-1/work",
    )  # fmt: skip
    assert step.numbers() == (0, True, 3, False)
    assert roots.overlay(3, PLACES, mapped=False).strings()[0] == "/state/stage/own"


def test_without_a_writable_layer_one_layer_is_copied_and_more_are_stacked() -> None:
    assert roots.read_only_root(1, PLACES, mapped=True) == ops.CloneTree(0, "/state/stage/mapped/0")
    assert roots.read_only_root(1, PLACES, mapped=False) == ops.CloneTree(0, "/state/stage/plain")
    stacked = roots.read_only_root(2, PLACES, mapped=False)
    assert isinstance(stacked, ops.MakeOverlay)
    assert (stacked.depth, stacked.upper) == (2, "")


@pytest.mark.parametrize("path", ["/a:b", "/a,b", '/a"b', "/a\\b"])
def test_a_state_directory_that_overlay_would_misread_is_refused(path: str) -> None:
    with pytest.raises(RuntimeFault, match="overlay cannot take the path"):
        roots.overlay(1, BoxPaths(Path(path), Path("/stage")), mapped=False)


def test_too_many_layers_are_told_with_the_kernels_own_limit() -> None:
    step = roots.overlay(overlay.deepest() + 1, PLACES, mapped=False)
    fault = explain(Plan((Step(Side.LAUNCHER, "root", step),)), 0, errno.EINVAL)
    assert str(fault).startswith("mount overlay on /state/stage/root (")
    assert "EINVAL: too many lower layers (limit " in str(fault)
    assert fault.hint == "squash the image"


def test_a_stack_within_the_limit_is_not_blamed_for_its_depth() -> None:
    step = roots.overlay(2, PLACES, mapped=False)
    fault = explain(Plan((Step(Side.LAUNCHER, "root", step),)), 0, errno.EINVAL)
    assert "too many" not in str(fault)
    assert "upper directory" in fault.hint
