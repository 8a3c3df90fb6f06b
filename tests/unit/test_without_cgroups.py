"""Where no cgroup may be made: affinity, refusals, and what the gate makes of it."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from harness.gates import Evidence
from harness.gates.limits import limits_enforced
from runtimes import directories
from runtimes.faults import RuntimeFault
from runtimes.launcher import operations as ops
from runtimes.linux import cgroups
from runtimes.linux.cgroups.base import is_writable
from runtimes.linux.cgroups.without import Absent, Processes
from runtimes.linux.ids.rights import Rights
from runtimes.ns import build
from runtimes.resources import Limits, LimitsRead

HOST = Absent("/sys/fs/cgroup is not ours to make cgroups in")
WHOLE = Limits((0, 1), 2.0, 1 << 29)


def test_nothing_is_enforced_and_the_cpus_are_kept_by_affinity() -> None:
    made = HOST.creation("run", "box", cgroups.bounds(WHOLE))
    assert (made.directories, made.writes, made.born_in) == ((), (), None)
    assert HOST.enforces == frozenset()
    assert build.join_steps(made) == [ops.Affinity((0, 1))]


def test_an_affinity_is_a_mask_of_whole_words() -> None:
    assert ops.Affinity((0, 3)).strings() == (b"\x09" + b"\0" * 7,)
    assert ops.Affinity((64,)).strings() == (b"\0" * 8 + b"\x01" + b"\0" * 7,)


def test_a_quota_below_the_cpus_is_refused_and_one_of_all_of_them_is_none() -> None:
    cgroups.check(HOST, WHOLE)
    with pytest.raises(RuntimeFault, match=r"1\.5 of 2 CPUs cannot be enforced") as caught:
        cgroups.check(HOST, replace(WHOLE, cpu_quota=1.5))
    assert "--cpus" in caught.value.hint


def test_a_box_without_a_cgroup_says_what_it_cannot() -> None:
    box = Processes("tb-1")
    for action in (box.freeze, box.thaw, lambda: box.add(1)):
        with pytest.raises(RuntimeFault, match="it has no cgroup"):
            action()
    assert box.account().memory_bytes is None


def test_it_is_known_by_its_pid_namespace() -> None:
    box = Processes("tb-1")
    assert box.pids() == ()
    box.lead(os.getpid())
    assert os.getpid() in box.pids()
    assert set(box.limits().cpus or ()) >= os.sched_getaffinity(0)
    box.lead(2**22)  # no such process
    assert box.pids() == ()


def test_cgroups_can_be_made_where_the_directory_is_ours(tmp_path: Path) -> None:
    assert is_writable(tmp_path)
    assert not is_writable(tmp_path / "missing")


KEPT = LimitsRead((2, 3), None, None)


def seen(outside: LimitsRead, conditions: Collection[str] = ()) -> Evidence:
    return Evidence(
        planned=Limits((2, 3), 2.0, 1 << 29),
        outside=outside,
        inside=KEPT,
        conditions=frozenset(conditions),
        expected_program="",
        program="",
        expected_rootfs="",
        rootfs="",
        pressure=None,
        facts={},
        host={},
    )


def test_the_gate_takes_an_affinity_for_the_cpu_set_where_the_run_says_so() -> None:
    assert limits_enforced(seen(KEPT)) is not None
    assert limits_enforced(seen(KEPT, {"unenforced"})) is None


def test_the_gate_wants_the_cpus_to_be_kept_all_the_same() -> None:
    for outside in (LimitsRead((0, 2, 3), None, None), LimitsRead(None, None, None)):
        found = limits_enforced(seen(outside, {"unenforced"}))
        assert found is not None
        assert found.severity == "invalid"


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({"HOME": "/home/a"}, "/home/a/.local/state/tarebench"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "/data"}, "/data/tarebench"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "data"}, "/home/a/.local/state/tarebench"),
        ({"TAREBENCH_STATE": "/s", "XDG_STATE_HOME": "/data"}, "/s"),
    ],
)
def test_a_plain_users_state_is_where_xdg_puts_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], state: str
) -> None:
    monkeypatch.setattr("runtimes.linux.ids.rights.held", lambda: Rights.OWN_ROOT)
    for name in ("HOME", "XDG_STATE_HOME", "TAREBENCH_STATE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert directories.state() == Path(state)


def test_a_directory_that_cannot_be_made_names_the_variable_that_moves_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeFault, match="cannot be made") as caught:
        directories.made(tmp_path / "file" / "state", "TAREBENCH_STATE")
    assert "TAREBENCH_STATE" in caught.value.hint
