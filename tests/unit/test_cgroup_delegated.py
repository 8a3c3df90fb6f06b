"""A user's own part of cgroup v2, found and used in made-up trees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtimes.linux import cgroups
from runtimes.linux.cgroups import base, delegated
from runtimes.linux.cgroups.delegated import LEAF, Delegated, find
from runtimes.linux.cgroups.without import Absent
from runtimes.resources import Limits
from tests.unit.test_cgroup_v2 import RUN, fake_cgroup

OWN = "0::/user.slice/run-u1.scope\n"


@pytest.fixture
def scope(tmp_path: Path) -> Path:
    """What systemd gives: here memory and pids came down, as by default, and cpu."""
    top = tmp_path / "user.slice/run-u1.scope"
    fake_cgroup(top)
    (top / "cgroup.controllers").write_text("cpu memory pids\n")
    (top / "cgroup.procs").write_text(f"{os.getpid()}\n")
    return top


def test_our_own_cgroup_is_taken_where_we_may_write_to_it(tmp_path: Path, scope: Path) -> None:
    found = find(tmp_path, OWN)
    assert isinstance(found, Delegated)
    assert (found.root, found.enforces) == (scope, {"cpu", "memory", "pids"})


def test_from_the_leaf_it_is_still_the_one_above(tmp_path: Path, scope: Path) -> None:
    fake_cgroup(scope / LEAF)
    (scope / "cgroup.procs").write_text("")
    found = find(tmp_path, f"0::/user.slice/run-u1.scope/{LEAF}\n")
    assert isinstance(found, Delegated)
    assert found.root == scope


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ("", "not to be seen"),
        ("1:cpu:/\n", "not to be seen"),
        ("0::/../elsewhere\n", "not to be seen"),
        ("0::/gone (deleted)\n", "not to be seen"),
    ],
)
def test_a_cgroup_that_we_cannot_see_is_told(tmp_path: Path, own: str, why: str) -> None:
    found = find(tmp_path, own)
    assert isinstance(found, Absent)
    assert why in found.why


def test_somebody_elses_is_left_alone_and_the_way_is_told(
    tmp_path: Path, scope: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_read(path: Path, mode: int, **_: object) -> bool:
        return path != scope / "cgroup.procs" or mode == os.R_OK

    monkeypatch.setattr(delegated.os, "access", only_read)
    found = find(tmp_path, OWN)
    assert isinstance(found, Absent)
    assert "not delegated" in found.why
    assert "systemd-run --user --scope -p Delegate=yes" in found.hint


def test_without_a_controller_it_is_of_no_use(tmp_path: Path, scope: Path) -> None:
    (scope / "cgroup.controllers").write_text("hugetlb\n")
    found = find(tmp_path, OWN)
    assert isinstance(found, Absent)
    assert "no controller" in found.why


def test_a_shell_beside_us_is_not_moved_and_that_is_told(tmp_path: Path, scope: Path) -> None:
    (scope / "cgroup.procs").write_text(f"{os.getppid()}\n{os.getpid()}\n")
    found = find(tmp_path, OWN)
    assert isinstance(found, Absent)
    assert str(os.getppid()) in found.why
    assert find(tmp_path, OWN) == found


def test_the_harness_goes_into_a_leaf_and_hands_down_what_came(
    scope: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = base.make_directory

    def make(path: Path, *, may_exist: bool = False) -> None:
        made(path, may_exist=may_exist)
        fake_cgroup(path)

    monkeypatch.setattr(base, "make_directory", make)
    Delegated(scope).prepare(RUN)
    assert (scope / LEAF / "cgroup.procs").read_text() == str(os.getpid())
    for below in ("", "tarebench", f"tarebench/{RUN}"):
        assert (scope / below / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_limits_are_those_that_came_and_cpus_else_an_affinity(scope: Path) -> None:
    bounds = cgroups.bounds(Limits((0, 1), 0.5, 4096))
    made = Delegated(scope).creation(RUN, "tb-1", bounds)
    assert {write.path.name for write in made.writes} == {"cpu.max", "memory.max", "pids.max"}
    assert made.affinity == (0, 1)
    assert made.born_in == scope / f"tarebench/{RUN}/tb-1"
    (scope / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    made = Delegated(scope).creation(RUN, "tb-1", bounds)
    assert "cpuset.cpus" in {write.path.name for write in made.writes}
    assert made.affinity == ()


def test_the_caution_is_for_what_did_not_come(scope: Path) -> None:
    assert "unenforced" in cgroups.conditions(Delegated(scope))
    (scope / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    assert "unenforced" not in cgroups.conditions(Delegated(scope))
