"""The embedded driver's one root, used again and again; daemons that go away or never answer."""

from __future__ import annotations

import shutil
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from runtimes.faults import RuntimeFault

libvirt = pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from runtimes.kvm import connection as module  # noqa: E402  # needs libvirt
from runtimes.kvm.connection import Connection  # noqa: E402  # needs libvirt

if TYPE_CHECKING:
    from libvirt import virConnect

PATIENCE_S = 10.0


class Link:
    """A connection that nobody speaks on."""

    def __init__(self, *, alive: bool = True) -> None:
        self.alive, self.listeners, self.keepalive_s = alive, 0, 0
        self.closed = threading.Event()

    def isAlive(self) -> bool:  # noqa: N802  # libvirt's own name
        return self.alive

    def domainEventRegisterAny(self, *_: object) -> int:  # noqa: N802  # libvirt's own name
        self.listeners += 1
        return 1

    def setKeepAlive(self, interval: int, _count: int) -> int:  # noqa: N802  # libvirt's own name
        self.keepalive_s = interval
        return 0

    def close(self) -> int:
        self.closed.set()
        return 0


def connection(root: Path) -> Connection:
    root.mkdir(parents=True)
    directories = (root / "run", root / "lib")
    return Connection("qemu:///embed", cast("virConnect", Link()), root, directories)


def of_a_daemon(link: Link) -> Connection:
    return Connection("qemu:///system", cast("virConnect", link), None)


def test_the_first_users_own_directories_stay_its_own(tmp_path: Path) -> None:
    made = connection(tmp_path / "home/state/v")
    made.borrow()
    made.used()
    made.close()
    assert list((tmp_path / "home/state").iterdir()) == []


def test_a_later_user_takes_away_what_it_made_again_of_an_earlier_ones(tmp_path: Path) -> None:
    made = connection(tmp_path / "home/state/v")
    made.used()
    made.close()
    shutil.rmtree(tmp_path / "home")
    for _ in range(2):
        made.borrow()
        made.used()
        assert (tmp_path / "home/state/v/run").is_dir()
        made.borrow()  # a second user at the same time makes nothing
        made.used()
        made.close()
        assert (tmp_path / "home/state/v/run").is_dir()
        made.close()
        assert list(tmp_path.iterdir()) == []


def test_what_somebody_else_put_there_meanwhile_stays(tmp_path: Path) -> None:
    made = connection(tmp_path / "home/state/v")
    made.used()
    made.close()
    shutil.rmtree(tmp_path / "home")
    made.borrow()
    made.used()
    (tmp_path / "home/theirs").touch()
    made.close()
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["theirs"]


def test_a_state_directory_too_long_for_sockets_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_embedded", None)
    with pytest.raises(RuntimeFault, match="too long") as caught:
        module.connect(None, tmp_path / ("x" * 100), tmp_path)
    assert "TAREBENCH_STATE" in caught.value.hint


def test_a_restarted_daemon_is_connected_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = Link(alive=False), Link(alive=True)
    monkeypatch.setattr(libvirt, "open", lambda _: after)
    daemon = of_a_daemon(before)
    daemon.refresh()
    daemon.refresh()
    assert daemon.link is after  # type: ignore[comparison-overlap]
    assert after.listeners == 1
    assert after.keepalive_s > 0


def test_a_daemon_that_stays_away_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise libvirt.libvirtError("Failed to connect socket to '/run/libvirt/libvirt-sock'")

    daemon = of_a_daemon(Link(alive=False))
    monkeypatch.setattr(libvirt, "open", refuse)
    with pytest.raises(RuntimeFault, match="connect again") as caught:
        daemon.refresh()
    assert "libvirtd" in caught.value.hint


def test_a_daemon_that_takes_the_call_and_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_S", 0.3)
    where = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(where))
        silent.listen()
        uri = f"qemu+unix:///system?socket={where}"
        with pytest.raises(RuntimeFault, match=r"has not answered for 0.3 s") as caught:
            module.connect(uri, tmp_path, tmp_path)
    assert "--libvirt-uri" in caught.value.hint


def test_a_connection_that_comes_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_S", 0.05)
    go, late = threading.Event(), Link()

    def slow(_: str) -> Link:
        go.wait(PATIENCE_S)
        return late

    monkeypatch.setattr(libvirt, "open", slow)
    with pytest.raises(RuntimeFault, match="has not answered"):
        of_a_daemon(Link(alive=False)).refresh()
    go.set()
    assert late.closed.wait(PATIENCE_S)
