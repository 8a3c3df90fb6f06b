"""OCI images run by hand: their configuration, their layers in the store, ends of all kinds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.clean import clean, layer_store
from runtimes import process
from runtimes.images.layers.store.garbage import collect
from runtimes.images.layers.store.store import LayerStore
from runtimes.images.layers.tar.member import Member
from runtimes.linux.proc import readable
from runtimes.ns import NamespaceRuntime
from runtimes.standalone.image import pack
from runtimes.standalone.image.documents import Execution
from tests.support.members import directory, file
from tests.support.ns_bench import home_of_boxes_by_hand
from tests.support.tiny_rootfs import BUSYBOX

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("root_needed")]

PROJECT = Path(__file__).parents[2]
APPLETS = ("cat", "env", "id", "ls", "pwd", "sh", "sleep")
POINTS = ("bin", "dev", "etc", "proc", "root", "sys")
USERS = b"root:x:0:0::/root:/bin/sh\nweb:x:33:44::/srv:/bin/sh\n"
GROUPS = b"www:x:44:\nlog:x:5:web\n"
WEB = Execution(
    user="web", env=("A=1", "PATH=/bin"), entrypoint=("sh", "-c"), cmd=("id; pwd; echo $HOME $A",),
    working_dir="/srv/app",
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """Images on disk, and a command to run them with."""

    home: Path

    @property
    def store(self) -> LayerStore:
        return LayerStore(self.home / "cache/layers")

    @property
    def environment(self) -> dict[str, str]:
        places = {"TAREBENCH_STATE": self.home / "state", "TAREBENCH_CACHE": self.home / "cache"}
        return {**process.ENVIRONMENT, **{name: str(path) for name, path in places.items()}}

    def image(self, name: str, execution: Execution, *more: Sequence[Member]) -> str:
        pack.pack([base(), *more], self.home / "images", pack.Description(name, execution), "none")
        return f"{self.home}/images:{name}"

    def command(self, image: str, *rest: str) -> list[str]:
        return [sys.executable, "-m", "runtimes.standalone.box", "run", "--image", image, *rest]

    def run(self, image: str, *rest: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(image, *rest), env=self.environment, cwd=PROJECT, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert not (self.home / "state").exists(), "left behind"
        assert self.store.uses() == []
        return done


def base() -> list[Member]:
    """A layer with a shell."""
    shell = BUSYBOX.read_bytes()
    links = [Member(f"bin/{name}", "symlink", 0o777, link="busybox") for name in APPLETS]
    return [*map(directory, POINTS), file("bin/busybox", shell, 0o755), *links]


ACCOUNTS = [file("etc/passwd", USERS), file("etc/group", GROUPS)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(home_of_boxes_by_hand(tmp_path_factory.mktemp("images")))


@pytest.fixture(scope="module")
def web(bench: Bench) -> str:
    return bench.image("web", WEB, ACCOUNTS)


@pytest.mark.parametrize("profile", ["default", "no-userns", "no-cgroupns"])
def test_an_images_configuration_is_honoured(bench: Bench, web: str, profile: str) -> None:
    done = bench.run(web, "--profile", profile)
    assert done.stdout == "uid=33(web) gid=44(www) groups=5(log)\n/srv/app\n/srv 1\n"


def test_another_user_has_none_of_the_boxs_capabilities(bench: Bench, web: str) -> None:
    done = bench.run(web, "--", "grep -c 'Cap[EPIA][fprnm][^B]*0000000000000000' /proc/self/status;"
                     "echo x > /made || ls -ld /srv/app")  # fmt: skip
    assert done.stdout.splitlines()[0] == "4"
    assert "Permission denied" in done.stderr or "can't create" in done.stderr


@pytest.mark.parametrize(
    ("passwd", "words"),
    [
        (Member("etc/passwd", "symlink", link="/../../../../etc/hostname"), "there is no user"),
        (Member("etc/passwd", "symlink", link="/proc/self/environ"), "there is no user"),
        (Member("etc/passwd", "fifo"), "not a regular file"),
        (file("etc/passwd", b"web:x:70000:0::/:/bin/sh\n"), "uid 70000.*EINVAL"),
    ],
)
def test_a_hostile_list_of_users_is_refused(bench: Bench, passwd: Member, words: str) -> None:
    done = bench.run(bench.image("hostile", WEB, [passwd]))
    assert done.returncode == 125
    assert words.partition(".*")[0] in done.stderr
    assert words.rpartition(".*")[2] in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Execution(cmd=("/proc/self/exe", "x"), working_dir="/proc/self/fd/3"), "/proc/self/fd/3"),
        (Execution(cmd=("sh",), working_dir="/bin/sh/x"), "ENOTDIR"),
        (Execution(cmd=("nothing",)), "execute nothing: ENOENT"),
        (Execution(cmd=("etc",), env=("PATH=etc:relative:/",)), "execute etc: EACCES"),
        (Execution(cmd=("sh",), env=("PATH=",)), "execute sh: ENOENT"),
        (Execution(), "names no command"),
    ],
)
def test_what_cannot_be_run_is_told(bench: Bench, settings: Execution, words: str) -> None:
    done = bench.run(bench.image("broken", settings))
    assert (done.returncode, done.stdout) == (125, "")
    assert words in done.stderr


def test_layers_are_unpacked_once_and_shared(bench: Bench, web: str) -> None:
    other = bench.image(
        "other", Execution(cmd=("cat", "/etc/mine")), ACCOUNTS, [file("etc/mine", b"m")]
    )
    bench.run(web, "--", "true")
    before = len(bench.store.layers())
    assert bench.run(other).stdout == "m"
    assert len(bench.store.layers()) == before + 1


@pytest.fixture
def sleeper(bench: Bench, web: str) -> Iterator[subprocess.Popen[bytes]]:
    """A harness whose box says ``up`` and goes on."""
    command = bench.command(web, "--", "echo up; exec sleep 300")
    child = process.spawn(command, env=bench.environment, cwd=PROJECT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    yield child
    child.terminate()
    child.wait(20)
    child.stdout.close()


def holder(bench: Bench) -> str:
    (use,) = bench.store.uses()
    return use.holder


def removed(bench: Bench) -> list[str]:
    """What ``invoke clean`` does, in the places of this test."""
    run = holder(bench)
    done = clean.clean_run(run, bench.home / "state", {"ns": NamespaceRuntime()})
    return done + layer_store.clean(bench.home / "cache")


def test_what_a_running_box_uses_is_not_removed(
    bench: Bench, sleeper: subprocess.Popen[bytes]
) -> None:
    run = holder(bench)
    assert layer_store.in_use(bench.home / "cache") == (run,)
    before = {layer.chain for layer in bench.store.layers()}
    image = next(use for use in bench.store.uses())
    collect(bench.store, grace_s=-1)
    assert {layer.chain for layer in bench.store.layers()} == before & set(image.layers)
    assert layer_store.clean(bench.home / "cache") == []
    assert sleeper.poll() is None


def test_a_killed_harness_takes_its_box_along_and_clean_lets_go_of_its_layers(
    bench: Bench, sleeper: subprocess.Popen[bytes]
) -> None:
    run = holder(bench)
    box = os.pidfd_open(init_of(sleeper))
    sleeper.kill()
    sleeper.wait()
    try:
        assert readable(box, 10.0)
    finally:
        os.close(box)
    assert holder(bench) == run
    assert f"hold of {run} on layers" in removed(bench)
    assert bench.store.uses() == []
    assert not (bench.home / "state").exists()


def init_of(harness: subprocess.Popen[bytes]) -> int:
    """The box's init: the harness' child that is not in the harness' mount namespace."""
    children = Path(f"/proc/{harness.pid}/task/{harness.pid}/children").read_text().split()
    own = Path(f"/proc/{harness.pid}/ns/pid").readlink()
    return next(int(pid) for pid in children if Path(f"/proc/{pid}/ns/pid").readlink() != own)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_harness_leaves_nothing(
    bench: Bench, sleeper: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    sleeper.send_signal(number)
    assert sleeper.wait(20) == 128 + number
    assert bench.store.uses() == []
    assert not (bench.home / "state").exists()
