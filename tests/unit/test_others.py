"""Who else used the CPUs, on invented processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host.pressure.others import Process, between, parse, snapshot

ME, BOX, DAEMON, INIT, SHELL, STRANGER = 100, 101, 200, 1, 50, 300


def tree(**changes: tuple[int, int]) -> dict[int, Process]:
    """init → shell → harness → box; init → daemon; init → stranger.  ``name=(own, reaped)``."""
    parents = {
        "init": (INIT, 0),
        "shell": (SHELL, INIT),
        "harness": (ME, SHELL),
        "box": (BOX, ME),
        "dockerd": (DAEMON, INIT),
        "stranger": (STRANGER, INIT),
    }
    return {
        pid: Process(name, parent, *changes.get(name, (1000, 0)))
        for name, (pid, parent) in parents.items()
    }


def others(after: dict[int, Process], before: dict[int, Process] | None = None) -> int:
    return between(tree() if before is None else before, after, {ME, DAEMON}, ME).ticks


def test_a_host_on_which_nobody_else_works_has_no_others() -> None:
    assert between(tree(), tree(), {ME, DAEMON}, ME).ticks == 0


def test_a_strangers_time_is_counted_and_named() -> None:
    found = between(tree(), tree(stranger=(1071, 0)), {ME, DAEMON}, ME)
    assert (found.ticks, found.names) == (70, ("stranger",))


@pytest.mark.parametrize("name", ["harness", "box", "dockerd"])
def test_time_of_ours_is_not_counted(name: str) -> None:
    assert others(tree(**{name: (9000, 500)})) == 0


def test_a_single_tick_may_be_next_to_nothing() -> None:
    found = between(tree(), tree(stranger=(1001, 1)), {ME, DAEMON}, ME)
    assert (found.ticks, found.names) == (0, ())


def test_children_that_came_and_went_are_counted_at_their_parent() -> None:
    assert others(tree(stranger=(1000, 31))) == 30


@pytest.mark.parametrize("name", ["init", "shell"])
def test_what_an_ancestor_of_ours_waited_for_may_be_a_box(name: str) -> None:
    assert others(tree(**{name: (1000, 30)})) == 0
    assert others(tree(**{name: (1006, 30)})) == 5


def test_time_from_before_the_trial_is_not_counted_when_a_child_ends_in_it() -> None:
    before = tree() | {301: Process("cc1", STRANGER, 5000, 400)}
    assert others(tree(stranger=(1000, 5408)), before) == 7


def test_nor_when_it_and_its_parent_end() -> None:
    before = tree() | {
        301: Process("make", STRANGER, 10, 0),
        302: Process("cc1", 301, 5000, 0),
    }
    assert others(tree(stranger=(1000, 5016)), before) == 5


def test_a_strangers_new_child_is_counted() -> None:
    assert others(tree() | {301: Process("cc1", STRANGER, 41, 3)}) == 42


@pytest.mark.parametrize("parent", [INIT, SHELL, 999, ME, BOX])
def test_a_newcomer_that_may_be_a_boxs_orphan_is_not(parent: int) -> None:
    assert others(tree() | {301: Process("orphan", parent, 40, 2)}) == 0


def test_a_circle_of_parents_ends() -> None:
    odd = {5: Process("a", 6, 1, 0), 6: Process("b", 5, 1, 0)}
    assert between(odd, {}, {5}, 5).ticks == 0
    assert between(odd, odd, {5}, 5).ticks == 0


def test_a_name_may_hold_anything() -> None:
    fields = "S 7 0 0 0 0 4194304 0 0 0 0 11 12 13 14 20 0 1 0"
    line = f"42 (a) R (b\x1b) {fields}".encode()
    assert parse(line) == Process("a) R (b?", 7, 23, 27)


@pytest.mark.parametrize("line", [b"", b"42 (short) S 1", b"nonsense"])
def test_a_line_that_is_none_is_no_process(line: bytes) -> None:
    assert parse(line) is None


def test_threads_of_the_kernel_are_nobodys_and_remembered(tmp_path: Path) -> None:
    kernel = "S 2 0 0 0 0 2097152 0 0 0 0 11 12 13 14 20 0 1 0"
    for pid, name, tail in (
        (9, "kworker/0:1", kernel),
        (10, "sh", kernel.replace("2097152", "0")),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({name}) {tail}")
    (tmp_path / "self").mkdir()
    (tmp_path / "11").mkdir()  # has ended meanwhile
    known: set[int] = set()
    assert [each.name for each in snapshot(known, str(tmp_path)).values()] == ["sh"]
    assert known == {9}
