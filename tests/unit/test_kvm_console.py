"""The instant of user space, taken from what a guest writes to its console."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtimes.faults import RuntimeFault

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm.guest import console  # needs libvirt
from runtimes.kvm.guest.console import USER_SPACE, ConsoleWatch
from runtimes.kvm.guest.files import allocated_bytes, tail
from runtimes.kvm.guest.timeline import Timeline

PATIENCE_S = 5.0


def until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end_s, "it was never told"
        time.sleep(0.005)


def test_first_byte_and_first_process_are_told_apart(tmp_path: Path) -> None:
    marks, path = Timeline(), tmp_path / "console"
    watch = ConsoleWatch(path, marks)
    with path.open("ab", buffering=0) as file:
        file.write(b"SeaBIOS\n")
        until(lambda: "console" in marks.instants)
        assert "user_space" not in marks.instants
        begun = time.monotonic_ns()
        file.write(USER_SPACE[:9])
        file.write(USER_SPACE[9:] + b"\n")
        until(lambda: "user_space" in marks.instants)
    watch.close()
    assert begun < marks.instants["user_space"] < time.monotonic_ns()


def test_a_guest_that_babbles_is_not_listened_to_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "READ_LIMIT_BYTES", 100)
    marks, path = Timeline(), tmp_path / "console"
    watch = ConsoleWatch(path, marks)
    path.write_bytes(b"x" * 200 + USER_SPACE)
    until(lambda: watch._read_bytes == 100)
    watch.close()
    assert "user_space" not in marks.instants


def test_a_guest_that_babbles_has_little_of_the_hosts_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PAUSE_S", 0.01)
    monkeypatch.setattr(console, "KEPT_BYTES", 100_000)
    path = tmp_path / "console"
    watch = ConsoleWatch(path, Timeline())
    with path.open("r+b", buffering=0) as file:  # as QEMU has it: at an offset of its own
        file.write(USER_SPACE)
        assert watch.complete.wait(PATIENCE_S)
        for _ in range(100):
            file.write(b"babble\n" * 5000)
        until(lambda: (file.write(b"."), allocated_bytes(path) < 100_000)[1])
        file.write(b"last words\n")
    watch.close()
    assert tail(path).endswith("last words")
    assert path.stat().st_size > 3_000_000, "QEMU goes on where it was"


def test_a_console_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match="cannot make the guest's console") as caught:
        ConsoleWatch(tmp_path / "missing" / "console", Timeline())
    assert "TAREBENCH_STATE" in caught.value.hint


def test_a_watch_ends_with_its_guest(tmp_path: Path) -> None:
    watch = ConsoleWatch(tmp_path / "console", Timeline())
    watch.close()
    watch.close()
    assert not watch._thread.is_alive()


def test_each_word_is_marked_when_it_is_said_and_the_last_completes(tmp_path: Path) -> None:
    marks, path = Timeline(), tmp_path / "console"
    watch = ConsoleWatch(path, marks, {b"first": "one", b"second": "two"})
    with path.open("ab", buffering=0) as file:
        file.write(b"first\n")
        until(lambda: "one" in marks.instants)
        assert not watch.complete.is_set()
        file.write(b"second\n")
        assert watch.complete.wait(PATIENCE_S)
    watch.close()
    assert marks.instants["one"] < marks.instants["two"]
