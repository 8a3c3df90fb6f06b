import subprocess
import sys
import threading

import pytest

from harness.errors import BusyFault
from harness.host import lock
from runtimes import process

HOLD = """
import sys, time
from harness.host import lock
with lock.alive("%s"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_is_alive_while_its_owner_holds_it() -> None:
    run = "t00001"
    assert not lock.is_alive(run)
    with lock.alive(run):
        assert lock.is_alive(run)
    assert not lock.is_alive(run)


def test_a_run_has_one_owner() -> None:
    with lock.alive("t00002"), pytest.raises(BusyFault), lock.alive("t00002"):
        pass


def test_a_killed_owner_lets_go() -> None:
    child = process.spawn([sys.executable, "-c", HOLD % "t00003"], stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert lock.is_alive("t00003")
        child.kill()
        child.wait()
    assert not lock.is_alive("t00003")


def test_a_second_run_that_measures_is_told_who_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "MEASURING", "measuring-test-1")
    with lock.measuring(wait=False, told=print):
        with (
            pytest.raises(BusyFault, match="another run is measuring") as caught,
            lock.measuring(wait=False, told=print),
        ):
            pass
        assert "--wait" in caught.value.hint


def test_waiting_ends_with_the_other_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "MEASURING", "measuring-test-2")
    held, waiting, release, done = (threading.Event() for _ in range(4))

    def first() -> None:
        with lock.measuring(wait=False, told=print):
            held.set()
            waiting.wait(10)
            release.wait(10)

    def second() -> None:
        with lock.measuring(wait=True, told=lambda _: waiting.set()):
            done.set()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert held.wait(10)
    threads[1].start()
    assert waiting.wait(10)
    assert not done.is_set()
    release.set()
    for thread in threads:
        thread.join(10)
    assert done.is_set()
