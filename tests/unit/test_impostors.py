"""Names that somebody without rights holds count for nothing."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from harness.errors import BusyFault
from harness.host import lock
from runtimes import directories, held_names
from runtimes.linux.ids.rights import is_host_root
from tests.support.stranger import NOBODY, everything, reached

root_only = pytest.mark.skipif(not is_host_root(), reason="needs root, and somebody who is not")


@contextmanager
def announced(name: str, uid: int, backlog: int = 16, filled: bool = False) -> Iterator[int]:
    """A socket by that name, of a process of user ``uid``."""
    told, tell = os.pipe()
    done, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        os.setresuid(uid, uid, uid)
        with socket.socket(socket.AF_UNIX) as held:
            held.bind(held_names.address(name))
            held.listen(backlog)
            crowd = [socket.socket(socket.AF_UNIX) for _ in range(backlog + 2 if filled else 0)]
            for each in crowd:
                each.settimeout(0)
                with suppress(OSError):
                    each.connect(held_names.address(name))
            os.write(tell, b"1")
            os.read(done, 1)
        os._exit(0)
    os.close(done)
    assert os.read(told, 1) == b"1"
    try:
        yield child
    finally:
        os.close(end)
        os.waitpid(child, 0)
        os.close(told)
        os.close(tell)


@root_only
@pytest.mark.parametrize("filled", [False, True])
def test_a_name_that_nobody_holds_is_free(filled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"x{secrets.token_hex(3)}"
    monkeypatch.setattr(lock, "MEASURING", name)
    with announced(name, NOBODY.pw_uid, 1 if filled else 16, filled):
        assert not held_names.is_alive(name), "or invoke clean would leave what the dead had"
        with lock.measuring(wait=False, told=print):
            assert held_names.is_alive(name)
            with (
                pytest.raises(BusyFault, match=f"process {os.getpid()}") as caught,
                lock.measuring(wait=False, told=print),
            ):
                pass
    assert caught.value.exit_code == 4


@root_only
def test_an_older_version_of_roots_is_believed_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"x{secrets.token_hex(3)}"
    monkeypatch.setattr(lock, "MEASURING", name)
    with announced(name, 0) as child:
        assert held_names.is_alive(name)
        with (
            pytest.raises(BusyFault, match=f"process {child}"),
            lock.measuring(wait=False, told=print),
        ):
            pass
    assert not held_names.is_alive(name)


@root_only
def test_the_locks_themselves_are_closed_to_others_and_leave_nothing() -> None:
    name = f"x{secrets.token_hex(3)}"
    with lock.alive(name):
        path = directories.locks() / name
        assert path.exists()
        assert reached(everything(directories.locks())) == []
    assert not path.exists()


def test_a_file_that_the_dead_left_is_no_owner() -> None:
    name = f"x{secrets.token_hex(3)}"
    directories.closed(directories.locks())
    (directories.locks() / name).write_text("1")
    assert not held_names.is_alive(name)
    assert not (directories.locks() / name).exists()
