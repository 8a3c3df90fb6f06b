"""QEMU's process, told of by events: stand-ins that end in every way."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from runtimes import process
from runtimes.faults import RuntimeFault
from runtimes.kvm.guest.hypervisor import Hypervisor, adopting

libvirt = pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm import engine, faults  # noqa: E402  # needs libvirt
from runtimes.kvm.guest import creation, pidfile_watch, watchdog  # noqa: E402  # needs libvirt
from runtimes.kvm.guest.timeline import Timeline  # noqa: E402  # needs libvirt


def started(*argv: str) -> int:
    """A child that is reaped by whom it is given to, not by a Popen object."""
    return os.posix_spawnp(argv[0], argv, os.environ)


def test_an_exit_status_is_told() -> None:
    child = Hypervisor(started("sh", "-c", "exit 3"))
    assert child.wait(10)
    assert child.how == "exit status 3"


def test_a_kill_is_told_by_its_signal_and_its_instant() -> None:
    ends: list[int] = []
    child = Hypervisor(started("sleep", "60"), ends.append)
    assert not child.wait(0)
    before_ns = time.monotonic_ns()
    child.kill()
    assert child.how == "signal SIGKILL"
    assert before_ns <= ends[0] <= time.monotonic_ns()


def test_killing_what_is_gone_already_is_no_error() -> None:
    child = Hypervisor(started("true"))
    assert child.wait(10)
    child.kill()


def test_a_process_that_never_was_is_a_fault() -> None:
    pid = started("true")
    os.waitpid(pid, 0)
    with pytest.raises(RuntimeFault, match="is gone"):
        Hypervisor(pid)


def test_a_daemon_started_inside_becomes_our_child(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with adopting():
        process.run(["sh", "-c", f"sleep 60 >/dev/null 2>&1 & echo $! > {note}"], timeout_s=10)
    daemon = Hypervisor(int(note.read_text()))
    daemon.kill()
    assert daemon.how == "signal SIGKILL", "only a parent learns how a process ended"


def test_a_pid_file_is_seen_when_it_is_written(tmp_path: Path) -> None:
    marks = Timeline()
    with pidfile_watch.awaited(tmp_path, "guest", marks) as born:
        (tmp_path / "other.pid").write_text("1\n")
        pid = started("sleep", "60")
        (tmp_path / "guest.pid").write_text(f"{pid}\n")
    assert born.hypervisor is not None
    assert born.hypervisor.pid == pid
    born.hypervisor.kill()
    assert marks.instants["process"] <= marks.instants["qemu_gone"]


def test_no_pid_file_is_no_process(tmp_path: Path) -> None:
    with pidfile_watch.awaited(tmp_path, "guest", Timeline()) as born:
        (tmp_path / "guest.pid").write_text("rubbish\n")
    assert born.hypervisor is None


def test_a_directory_that_cannot_be_watched_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeFault, match="cannot watch"),
        pidfile_watch.awaited(tmp_path / "missing", "guest", Timeline()),
    ):
        pass


def test_the_first_event_of_a_kind_counts() -> None:
    marks = Timeline()
    marks.hear(libvirt.VIR_DOMAIN_EVENT_STARTED, 0)
    first = marks.instants["qemu_started"]
    marks.hear(libvirt.VIR_DOMAIN_EVENT_STARTED, 0)
    assert marks.instants["qemu_started"] == first
    assert not marks.released.is_set()
    marks.hear(libvirt.VIR_DOMAIN_EVENT_STOPPED, 0)
    assert marks.released.is_set()


class FakeDomain:
    destroyed = False

    def destroy(self) -> int:
        self.destroyed = True
        return 0


class FakeLink:
    """Makes a domain after a while, as libvirt does."""

    def __init__(self) -> None:
        self.domain = FakeDomain()

    def createXML(self, _xml: str, _flags: int) -> FakeDomain:  # noqa: N802  # libvirt's name
        time.sleep(0.05)
        return self.domain


def test_an_interrupted_creation_is_undone_when_it_has_ended() -> None:
    link = FakeLink()
    made = creation._Creation(link, "tb-abcdef-0", "<domain/>")  # type: ignore[arg-type]
    made.run()
    made.undo()
    assert link.domain.destroyed


def test_libvirts_errors_say_what_to_do() -> None:
    error = libvirt.libvirtError("cannot set up guest memory 'pc.ram': Cannot allocate memory")
    with (
        pytest.raises(RuntimeFault, match="could not start it") as caught,
        faults.translated("start it"),
    ):
        raise error
    assert "--memory" in caught.value.hint


def test_signals_are_called_by_their_names() -> None:
    child = Hypervisor(started("sh", "-c", "kill -TERM $$"))
    assert child.wait(10)
    assert child.how == f"signal {signal.SIGTERM.name}"


class ForgetfulGroup:
    """Takes a process in as kernels before 6.2 do: its threads may then be wherever the set is."""

    def add(self, pid: int) -> None:
        os.sched_setaffinity(pid, os.sched_getaffinity(0))


def test_a_thread_stays_where_it_was_pinned_when_its_process_joins_a_cpuset() -> None:
    cpus = {max(os.sched_getaffinity(0))}
    child = Hypervisor(started("sleep", "60"))
    os.sched_setaffinity(child.pid, cpus)
    creation.confine(ForgetfulGroup(), [child.pid])  # type: ignore[arg-type]  # all that it needs
    assert os.sched_getaffinity(child.pid) == cpus
    child.kill()


def test_what_waits_for_a_qemu_that_hangs_ends_with_it_and_says_so() -> None:
    child = Hypervisor(started("sleep", "60"))

    def ask() -> None:
        child.wait(30)
        raise RuntimeFault("could not start it: End of file from qemu monitor", tail="its log")

    with (
        pytest.raises(RuntimeFault, match=r"^could not start it: no answer for 0.1 s") as caught,
        watchdog.watchdog(lambda: child, "start it", 0.1),
    ):
        ask()
    assert child.how == "signal SIGKILL"
    assert (caught.value.tail, bool(caught.value.hint)) == ("its log", True)


def test_what_fails_in_time_keeps_its_own_reason_and_its_qemu() -> None:
    child = Hypervisor(started("sleep", "60"))
    with (
        pytest.raises(RuntimeFault, match="refused"),
        watchdog.watchdog(lambda: child, "start it", 30.0),
    ):
        raise RuntimeFault("refused")
    assert not child.wait(0)
    child.kill()


def test_a_full_disk_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match="disk") as caught:
        engine._copy(tmp_path / "missing", tmp_path / "target")
    assert "TAREBENCH_STATE" in caught.value.hint
