"""Tuning and putting back, on made-up hosts, with a crash at every step."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.doctor import doctor
from harness.errors import HarnessFault
from harness.host.tuning.change import Change, summarised
from harness.host.tuning.isolation import usable_cpus
from harness.host.tuning.kernel_files import Tree
from harness.host.tuning.setting import Setting, mask, permitted
from harness.host.tuning.steps import restore, tune
from harness.host.tuning.undo import Undo, UndoFile

BOOT = "/proc/sys/kernel/random/boot_id"
CPU = "/sys/devices/system/cpu"
CONTROL = "/sys/fs/cgroup/cgroup.subtree_control"
HOST = {
    BOOT: "first-boot",
    f"{CPU}/smt/control": "on",
    f"{CPU}/intel_pstate/no_turbo": "0",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "schedutil",
    f"{CPU}/cpu0/cpufreq/scaling_available_governors": "performance schedutil",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "powersave",
    f"{CPU}/cpu1/cpufreq/scaling_available_governors": "performance powersave",
    "/sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
    "/sys/kernel/mm/ksm/run": "1",
    "/sys/kernel/mm/ksm/pages_sharing": "12",
    "/proc/swaps": "Filename Type\n/swap file",
    "/proc/sys/vm/swappiness": "60",
    "/proc/irq/default_smp_affinity": "ffffffff",
    "/proc/irq/4/smp_affinity_list": "0-3",
    "/proc/irq/10/smp_affinity_list": "2",
    "/proc/irq/0/smp_affinity_list": "0-3",
    "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu memory",
    "/sys/fs/cgroup/cgroup.subtree_control": "cpu memory",
    "/sys/fs/cgroup/cpuset.cpus.effective": "0-3",
    "/sys/fs/cgroup/system.slice/cpuset.cpus": "",
    "/sys/fs/cgroup/user.slice/cpuset.cpus": "0-2",
    "/sys/fs/cgroup/tarebench/cpuset.cpus": "",
}
TUNED = {
    f"{CPU}/smt/control": "off",
    f"{CPU}/intel_pstate/no_turbo": "1",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "performance",
    "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "/sys/kernel/mm/ksm/run": "2",
    "/proc/sys/vm/swappiness": "1",
    "/proc/irq/default_smp_affinity": "00000003",
    "/proc/irq/4/smp_affinity_list": "0-1",
    "/proc/irq/10/smp_affinity_list": "0-1",
    CONTROL: "cpu memory cpuset",
    "/sys/fs/cgroup/system.slice/cpuset.cpus": "0-1",
    "/sys/fs/cgroup/user.slice/cpuset.cpus": "0-1",
}
FIXED_IRQ = "/proc/irq/0/smp_affinity_list"


class Crash(BaseException):
    """The process is killed."""


@dataclasses.dataclass(frozen=True, slots=True)
class FakeTree(Tree):
    """Files that behave like the kernel's."""

    crash_at: Iterator[bool] = dataclasses.field(default_factory=lambda: iter(()))

    def write(self, path: str, value: str) -> None:
        if next(self.crash_at, None):
            raise Crash
        if path == FIXED_IRQ:
            raise OSError(errno.EIO, "fixed")
        choices = self.read(path) or ""
        if path == CONTROL:
            have = [each for each in choices.split() if each != value[1:]]
            value = " ".join([*have, value[1:]] if value.startswith("+") else have)
        if "[" in choices:
            plain = choices.replace("[", "").replace("]", "").split()
            value = " ".join(f"[{each}]" if each == value else each for each in plain)
        Tree.write(self, path, value)


@dataclasses.dataclass(frozen=True, slots=True)
class FakeFile(UndoFile):
    """An undo file whose writing may be cut off, too."""

    crash_at: Iterator[bool] = dataclasses.field(default_factory=lambda: iter(()))

    def save(self, undo: Undo) -> None:
        if next(self.crash_at, None):
            raise Crash
        UndoFile.save(self, undo)
        if next(self.crash_at, None):
            raise Crash

    def remove(self) -> None:
        if next(self.crash_at, None):
            raise Crash
        UndoFile.remove(self)


def host(root: Path, **changed: str) -> FakeTree:
    for path, text in {**HOST, **changed}.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return FakeTree(root)


def contents(tree: Tree) -> dict[str, str | None]:
    return {path: tree.read(path) for path in HOST}


def tuned(tree: Tree, file: UndoFile) -> list[Change]:
    return tune(tree, file, now_utc="2026-11-24T04:00:00Z", harness_cpus=lambda: frozenset({0, 1}))


def test_everything_that_can_be_set_is_set_and_read_back(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    changes = {each.paths[0]: each for each in tuned(tree, file)}
    assert contents(tree) == {**HOST, **TUNED}
    assert {path for path, each in changes.items() if each.state == "changed"} == set(TUNED)
    assert changes[FIXED_IRQ].state == "refused"
    assert "Input/output error" in changes[FIXED_IRQ].why


def test_restore_puts_back_exactly_what_was_and_forgets_it(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    tuned(tree, file)
    changes = restore(tree, file)
    assert contents(tree) == HOST
    assert {each.state for each in changes} == {"restored", "already"}
    assert not file.path.exists()
    assert restore(tree, file) == []


def test_tuning_twice_keeps_the_first_values(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    tuned(tree, file)
    first = file.path.read_bytes()
    again = tuned(tree, file)
    assert file.path.read_bytes() == first
    assert {each.state for each in again} == {"already", "refused"}
    restore(tree, file)
    assert contents(tree) == HOST


def test_what_appears_between_two_tunings_is_put_back_as_well(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    tuned(tree, file)
    late = "/proc/irq/77/smp_affinity_list"
    (tmp_path / "proc/irq/77").mkdir()
    tree.place(late).write_text("3")
    tuned(tree, file)
    assert tree.read(late) == "0-1"
    restore(tree, file)
    assert {**contents(tree), late: tree.read(late)} == {**HOST, late: "3"}


STEPS = 30
"""More than a tuning and a restoring take; a crash after the last is none."""


def crashing(at: int) -> Iterator[bool]:
    return (step == at for step in itertools.count())


@pytest.mark.slow
@pytest.mark.parametrize("at", range(STEPS))
def test_a_crash_at_any_step_of_tuning_leaves_all_to_be_put_back(tmp_path: Path, at: int) -> None:
    tree, where = host(tmp_path), tmp_path / "undo.json"
    steps = crashing(at)
    try:
        tuned(dataclasses.replace(tree, crash_at=steps), FakeFile(where, steps))
        crashed = False
    except Crash:
        crashed = True
    restore(tree, UndoFile(where))
    assert contents(tree) == HOST
    assert not where.exists()
    assert crashed == (at < 26)  # 6 stages save with 2 steps each, 14 writes


@pytest.mark.slow
@pytest.mark.parametrize("at", range(STEPS))
def test_a_crash_at_any_step_of_restoring_is_mended_by_restoring_again(
    tmp_path: Path, at: int
) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    tuned(tree, file)
    steps = crashing(at)
    try:
        restore(dataclasses.replace(tree, crash_at=steps), FakeFile(file.path, steps))
    except Crash:
        restore(tree, file)
    assert contents(tree) == HOST
    assert not file.path.exists()


@pytest.mark.slow
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(["tune", "restore"]), st.integers(0, STEPS)), max_size=6))
def test_any_sequence_of_crashes_can_be_put_back(
    tmp_path: Path, calls: list[tuple[str, int]]
) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    for call, at in calls:
        steps = crashing(at)
        fragile, writer = dataclasses.replace(tree, crash_at=steps), FakeFile(file.path, steps)
        with contextlib.suppress(Crash):
            tuned(fragile, writer) if call == "tune" else restore(fragile, writer)
    restore(tree, file)
    assert contents(tree) == HOST


def test_nothing_is_changed_where_the_undo_file_cannot_be_written(tmp_path: Path) -> None:
    tree = host(tmp_path / "host")
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessFault, match="undo"):
        tuned(tree, UndoFile(tmp_path / "file" / "undo.json"))
    assert contents(tree) == HOST


def test_after_a_reboot_there_is_nothing_to_put_back(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    tuned(tree, file)
    fresh = host(tmp_path, **{BOOT: "second-boot"})
    changes = restore(fresh, file)
    assert contents(fresh) == {**HOST, BOOT: "second-boot"}
    assert {each.state for each in changes} == {"gone"}
    assert not file.path.exists()


def test_tuning_after_a_reboot_notes_what_is_now(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    tuned(tree, file)
    swappiness = "/proc/sys/vm/swappiness"
    fresh = host(tmp_path, **{BOOT: "second-boot", swappiness: "10"})
    tuned(fresh, file)
    restore(fresh, file)
    assert fresh.read(swappiness) == "10"


def test_a_host_with_nothing_to_tune_gets_no_undo_file(tmp_path: Path) -> None:
    file = UndoFile(tmp_path / "undo.json")
    changes = tuned(Tree(tmp_path), file)
    assert {each.state for each in changes} == {"absent"}
    assert all(each.why for each in changes)
    assert len(changes) == 8
    assert not file.path.exists()


def test_a_setting_that_cannot_be_put_back_is_kept_in_the_file(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    document = {
        "version": 1,
        "boot_id": "first-boot",
        "tuned_utc": "now",
        "originals": [{"subject": "IRQ affinity", "path": FIXED_IRQ, "value": "2", "form": "cpus"}],
    }
    file.path.write_text(json.dumps(document))
    assert [each.state for each in restore(tree, file)] == ["refused"]
    assert file.path.exists()


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "/etc/passwd"},
        {"path": "/proc/irq/../../etc/passwd"},
        {"path": f"{CPU}/smt/control\n"},
        {"path": "/sys/fs/cgroup/../cpuset.cpus"},
        {"value": "a\nb"},
        {"value": 3},
        {"form": "shell"},
    ],
)
def test_an_undo_file_that_names_anything_else_is_refused(
    tmp_path: Path, entry: dict[str, object]
) -> None:
    original = {"subject": "x", "path": f"{CPU}/smt/control", "value": "on", "form": "word"}
    document = {
        "version": 1,
        "boot_id": "first-boot",
        "tuned_utc": "now",
        "originals": [{**original, **entry}],
    }
    file = UndoFile(tmp_path / "undo.json")
    file.path.write_text(json.dumps(document))
    with pytest.raises(HarnessFault, match="damaged"):
        restore(host(tmp_path), file)
    assert file.path.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', "[" * 100_000, "\xff"])
def test_a_damaged_undo_file_is_said_and_kept(tmp_path: Path, text: str) -> None:
    file = UndoFile(tmp_path / "undo.json")
    file.path.write_text(text, encoding="latin-1")
    for call in (tuned, restore):
        with pytest.raises(HarnessFault, match="damaged"):
            call(host(tmp_path), file)
    assert file.path.exists()
    assert doctor.tuned(file, host(tmp_path)).state == "caution"


def test_doctor_tells_since_when_the_host_is_tuned(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    assert "not tuned" in doctor.tuned(file, tree).why
    tuned(tree, file)
    row = doctor.tuned(file, tree)
    assert (row.state, row.why) == ("works", "tuned since 2026-11-24T04:00:00Z: 14 settings noted")
    assert doctor.tuned(file, host(tmp_path, **{BOOT: "second"})).state == "caution"


def test_cpus_kept_for_boxes_are_usable_though_not_this_processs(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    mine = frozenset({0, 1})
    assert usable_cpus(file, tree, mine) == mine
    tuned(tree, file)
    assert usable_cpus(file, tree, mine) == {0, 1, 2, 3}
    assert usable_cpus(file, host(tmp_path, **{BOOT: "second-boot"}), mine) == mine
    file.path.write_text("damaged")
    assert usable_cpus(file, tree, mine) == mine


def test_a_harness_without_cpus_of_its_own_moves_nothing(tmp_path: Path) -> None:
    tree, file = host(tmp_path), UndoFile(tmp_path / "undo.json")
    tune(tree, file, now_utc="now", harness_cpus=frozenset)
    assert tree.read("/proc/irq/4/smp_affinity_list") == "0-3"
    assert tree.read("/sys/fs/cgroup/user.slice/cpuset.cpus") == "0-2"
    assert tree.read(CONTROL) == "cpu memory"


def test_a_daemon_that_moves_interrupts_back_is_named(tmp_path: Path) -> None:
    tree = host(tmp_path, **{"/proc/77/comm": "irqbalance"})
    changes = tuned(tree, UndoFile(tmp_path / "undo.json"))
    assert [each.why for each in changes if not each.paths] == [
        "irqbalance is running and will move them back: stop it while measuring"
    ]


def test_on_cgroup_v1_cpus_cannot_be_isolated_and_it_is_said(tmp_path: Path) -> None:
    tree = host(tmp_path, **{"/sys/fs/cgroup/cgroup.controllers": ""})
    changes = tuned(tree, UndoFile(tmp_path / "undo.json"))
    (isolated,) = [each for each in changes if each.subject == "isolated CPUs"]
    assert isolated.state == "absent"
    assert "isolcpus" in isolated.why


@pytest.mark.parametrize(
    ("cpus", "text"),
    [({0}, "00000001"), ({0, 31}, "80000001"), ({32, 33}, "00000003,00000000")],
)
def test_masks_are_written_in_groups_of_32_bits(cpus: set[int], text: str) -> None:
    assert mask(frozenset(cpus)) == text


@pytest.mark.parametrize(
    ("form", "has", "value"),
    [("cpus", "0-1,3", "0,1,3"), ("mask", "3", "00000000,00000003"), ("choice", "a [b] c", "b")],
)
def test_a_value_is_the_same_however_it_is_spelled(
    tmp_path: Path, form: str, has: str, value: str
) -> None:
    (tmp_path / "f").write_text(has + "\n")
    assert Setting("x", "/f", "", form).holds(Tree(tmp_path), value)  # type: ignore[arg-type]
    assert not Setting("x", "/f", "", form).holds(Tree(tmp_path), "9")  # type: ignore[arg-type]


def test_every_file_that_is_tuned_is_permitted(tmp_path: Path) -> None:
    changes = tuned(host(tmp_path), UndoFile(tmp_path / "undo.json"))
    paths = [path for each in changes for path in each.paths]
    assert len(paths) > len(TUNED)
    assert all(permitted(path) for path in paths)


def test_settings_that_fared_alike_are_one_line() -> None:
    alike = [Change("IRQ affinity", "changed", "0-3", "0", "", (f"/proc/irq/{n}",)) for n in "12"]
    other = Change("IRQ affinity", "refused", "0-3", "0-3", "no", ("/proc/irq/3",))
    assert summarised([alike[0], other, alike[1]]) == [
        dataclasses.replace(alike[0], paths=("/proc/irq/1", "/proc/irq/2")),
        other,
    ]
